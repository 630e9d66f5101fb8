/**
 * The report of a run in a frame of a page, which is renewed while the run goes on.
 */
import { TensorError } from '@mambagrad/tensor';
import { checkArgument, Kind, string } from '@mambagrad/tensor/options';
import { renew, type ReportDocument } from './renew.ts';

/** An `iframe` element, whose document may be read. */
export interface ReportFrame {
  /** Its page as text. */
  srcdoc: string;
  /** The document that it shows; null if that is another site's. */
  readonly contentDocument: object | null;
}

/** The parts of a page that are used, as the packages are compiled without the DOM. */
interface Browser {
  readonly DOMParser?: new () => { parseFromString(text: string, type: 'text/html'): Parsed };
}
interface Parsed {
  querySelector(name: 'main'): { readonly innerHTML: string } | null;
}

const frames = new Kind<ReportFrame>(
  'an iframe element',
  (x) => typeof x === 'object' && x !== null && 'srcdoc' in x && 'contentDocument' in x,
);

/**
 * Shows a page of `reportPage` in an iframe. If it shows one already, the new one takes its place,
 * and what the reader has done stays: scrolling, open tables, logarithmic axes. The page can be
 * made in the worker that trains, and posted: that costs the worker's time, not the page's. Where
 * the policy of the site forbids inline scripts, charts do not show values under the pointer.
 */
export function showReport(frame: ReportFrame, page: string): void {
  checkArgument('showReport', 'frame', frame, frames);
  checkArgument('showReport', 'page', page, string);
  const { DOMParser } = globalThis as unknown as Browser;
  if (!DOMParser) throw new TensorError('showReport: this is no page, and has no frames');
  const shown = frame.contentDocument as ReportDocument | null;
  const isReport = frame.srcdoc !== '' && Boolean(shown?.querySelector('main'));
  const content = isReport && new DOMParser().parseFromString(page, 'text/html');
  const markup = content && content.querySelector('main')?.innerHTML;
  if (shown && typeof markup === 'string') renew(shown, markup);
  else frame.srcdoc = page;
}
