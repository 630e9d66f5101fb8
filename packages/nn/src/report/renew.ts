/**
 * A report that changes while somebody reads it. The content is replaced; what the reader has done
 * stays: where the page and its boxes are scrolled to, which details are open, which axes are
 * logarithmic, and where the keyboard is.
 */

/** The parts of the DOM that are used, as the packages are compiled without it. */
interface Box {
  readonly id: string;
  open: boolean;
  checked: boolean;
  scrollLeft: number;
  scrollTop: number;
  innerHTML: string;
  focus(options: { readonly preventScroll: boolean }): void;
  querySelectorAll(names: string): Iterable<Box>;
}

/** The document of a report. */
export interface ReportDocument {
  readonly activeElement: Box | null;
  readonly scrollingElement: Box | null;
  querySelector(name: string): Box | null;
  getElementById(id: string): Box | null;
}

/**
 * Replaces the content of a report by other markup. Its text is also part of the script of the live
 * page, so it uses nothing but its arguments.
 */
export function renew(document: ReportDocument, markup: string): void {
  const main = document.querySelector('main');
  if (main === null) return;
  const all = (names: string): Box[] => [...main.querySelectorAll(names)];
  const boxes = (): Box[] => all('.scroll, pre');
  const placeOf = (box: Box | null): number[] => [box?.scrollLeft ?? 0, box?.scrollTop ?? 0];
  const open = new Map(all('details').map((each) => [each.id, each.open]));
  const checked = new Map(all('input').map((each) => [each.id, each.checked]));
  const page = document.scrollingElement;
  const [places, [x, y]] = [boxes().map(placeOf), placeOf(page)];
  const focused = document.activeElement?.id ?? '';
  main.innerHTML = markup;
  for (const each of all('details')) each.open = open.get(each.id) ?? false;
  for (const each of all('input')) each.checked = checked.get(each.id) ?? each.checked;
  boxes().forEach((each, i) => {
    if (i < places.length) [each.scrollLeft, each.scrollTop] = places[i];
  });
  if (focused !== '') document.getElementById(focused)?.focus({ preventScroll: true });
  if (page !== null) [page.scrollLeft, page.scrollTop] = [x, y];
}
