/**
 * The search index: every page with its headings and the text below each, as a script that sets one
 * global. A script, because a page that was opened as a file may load nothing else; its reader is
 * `site/search.ts`, which loads it when the search is used for the first time.
 */
import type { Section } from './markdown.ts';
import type { IndexedPage } from '../site/ranking.ts';

/** A page with its sections, of which the first begins with the title. */
export interface Found {
  readonly title: string;
  readonly address: string;
  readonly sections: readonly Section[];
}

/** The index as a script. */
export function searchIndex(pages: readonly Found[]): string {
  const indexed = pages.map(({ title, address, sections }): IndexedPage => [
    title, address,
    sections.map(({ heading, anchor, text }, i) =>
      [heading === title ? '' : heading, i === 0 ? '' : anchor, text.replaceAll(/\s+/g, ' ')]),
  ]);
  return `globalThis.mambagradIndex = ${JSON.stringify(indexed)};\n`;
}
