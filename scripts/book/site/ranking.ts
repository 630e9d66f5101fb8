/**
 * Which sections a search finds, and in which order. A section is found if every word of the query
 * is in its heading, the title of its page or its text; one whose heading is the query comes first,
 * then those that have the words in the heading, in the title, in the text, and at the start of a
 * word rather than within. All text is gone through each time: it is a megabyte, and takes a
 * few milliseconds.
 */

/** A page as the index has it: title, address, and sections of heading, anchor and text. */
export type IndexedPage = readonly [
  title: string, address: string,
  sections: readonly (readonly [heading: string, anchor: string, text: string])[],
];

/** A section that can be found. */
export interface Entry {
  readonly title: string;
  /** The heading, or the page's title for its first section. */
  readonly heading: string;
  readonly address: string;
  readonly text: string;
  /** Title, heading and text in lower case. */
  readonly lower: readonly [title: string, heading: string, text: string];
}

/** A section that was found, and a piece of its text, cut where the query's words begin and end. */
export interface Result {
  readonly entry: Entry;
  readonly excerpt: readonly Piece[];
}

/** A piece of text, and whether it is a word of the query. */
export interface Piece {
  readonly text: string;
  readonly isMatch: boolean;
}

/** The sections of an index. */
export function entriesOf(index: readonly IndexedPage[]): Entry[] {
  return index.flatMap(([title, page, sections]) => sections.map(([own, anchor, text]): Entry => {
    const heading = own === '' ? title : own;
    const address = anchor === '' ? page : `${page}#${anchor}`;
    const lower = [title.toLowerCase(), heading.toLowerCase(), text.toLowerCase()] as const;
    return { title, heading, address, text, lower };
  }));
}

/** The words of a query. */
export function wordsOf(query: string): string[] {
  return [...new Set(query.toLowerCase().split(/\s+/).filter((word) => word !== ''))];
}

/** The best sections for a query, at most `most`. */
export function search(entries: readonly Entry[], query: string, most: number): Result[] {
  const words = wordsOf(query);
  if (words.length === 0) return [];
  const found = entries.flatMap((entry, place) => {
    const score = scoreOf(entry, words);
    return score > 0 ? [{ entry, score, place }] : [];
  });
  found.sort((a, b) => b.score - a.score || a.place - b.place);
  return found.slice(0, most).map(({ entry }) => ({ entry, excerpt: excerptOf(entry, words) }));
}

/** How well an entry fits; 0 if it lacks a word. */
function scoreOf({ lower, address }: Entry, words: readonly string[]): number {
  const [title, heading, text] = lower;
  const query = words.join(' ');
  // Chapters have a number in front of their title.
  const bare = heading.replace(/^\d+\. /, '');
  let score = bare === query ? 200 : bare.startsWith(query) ? 40 : 0;
  for (const word of words) {
    const best = Math.max(weight(heading, word, 40), weight(title, word, 8), weight(text, word, 2));
    if (best === 0) return 0;
    score += best;
  }
  // A source is looked for by its name; the text about it comes first.
  return address.startsWith('source/') ? score / 4 : score;
}

/** `full` if the text has a word that begins so, half of it if it has the word somewhere. */
function weight(text: string, word: string, full: number): number {
  const at = text.indexOf(word);
  if (at < 0) return 0;
  return startsWord(text, word, at) ? full : full / 2;
}

function startsWord(text: string, word: string, first: number): boolean {
  for (let at = first; at >= 0; at = text.indexOf(word, at + 1)) {
    if (at === 0 || !/[\p{L}\p{N}]/u.test(text[at - 1])) return true;
  }
  return false;
}

/** How much text is shown before the first match, and in all. */
const BEFORE = 50;
const LENGTH = 160;

/** The text around the first word that is found. */
function excerptOf({ text, lower: [, , lower] }: Entry, words: readonly string[]): Piece[] {
  const places = words.map((word) => lower.indexOf(word)).filter((at) => at >= 0);
  const first = places.length === 0 ? 0 : Math.min(...places);
  const start = first <= BEFORE ? 0 : text.indexOf(' ', first - BEFORE) + 1 || first;
  const rest = text.slice(start, start + LENGTH);
  const isAll = start + LENGTH >= text.length;
  const shown = isAll ? rest : rest.slice(0, Math.max(rest.lastIndexOf(' '), first - start));
  return marked(`${start > 0 ? '… ' : ''}${shown}${isAll ? '' : ' …'}`, words);
}

/** A text cut into the words of a query and what is between. */
export function marked(text: string, words: readonly string[]): Piece[] {
  const any = words.map((word) => word.replaceAll(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('|');
  if (any === '') return [{ text, isMatch: false }];
  return text.split(new RegExp(`(${any})`, 'iu')).flatMap((piece, i) =>
    piece === '' ? [] : [{ text: piece, isMatch: i % 2 === 1 }]);
}
