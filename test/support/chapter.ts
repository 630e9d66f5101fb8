/**
 * The form that every chapter of the course has: its number, what the reader will be able to do,
 * where it lives in the source, three exercises with folded answers, and the way to the next.
 */
import { basename } from 'node:path/posix';

/** A chapter, or another page: its path, and its text. */
export interface Chapter {
  readonly path: string;
  readonly text: string;
}

/** The words of prose that a chapter may have. */
export const MOST_WORDS = 3000;

/** The columns that the site shows of code in a window of 1280 pixels. */
export const MOST_COLUMNS = 95;

/** The number in the name of a file: 7 for `docs/07-scan.md`. */
export function numberOf({ path }: Chapter): number {
  return Number(/^(\d\d)-/.exec(basename(path))?.[1]);
}

/** The heading of a page, with its number if it has one: `7. The scan`. */
export function titleOf({ text }: Chapter): string {
  return /^# (.+)\n/.exec(text)?.[1] ?? '';
}

/** A text with an ellipsis in place of each block of code. */
export function proseOf(text: string): string {
  return text.replaceAll(/^```[^]*?^```$/gm, '…');
}

/** How many words of prose there are; a symbol that stands alone is none. */
export function countWords(text: string): number {
  return proseOf(text).match(/[\p{L}\p{N}]\S*/gu)?.length ?? 0;
}

/** The prose below a heading of the second level, up to the next; empty if it is not there. */
export function sectionOf(text: string, heading: string): string {
  const [, below = ''] = proseOf(text).split(`\n## ${heading}\n`);
  const [section = ''] = below.split(/^## /m);
  return section;
}

/** The list after `After this chapter you can:`, an item for each thing. */
export function abilitiesOf(text: string): string[] {
  const [, below = ''] = text.split('\nAfter this chapter you can:\n\n');
  const [list = ''] = below.split(/\n(?!- | {2})/);
  return list.split(/^- /m).slice(1);
}

/** The names of the exercises, in order; one without an answer has a question mark. */
export function exercisesOf(text: string): string[] {
  const parts = sectionOf(text, 'Exercises').split(/^(?=\*\*\w+\.\*\*)/m).slice(1);
  return parts.map((part) => {
    const [, name = ''] = /^\*\*(\w+)\.\*\*/.exec(part) ?? [];
    const answers = part.match(/^<details>\n<summary>Answer<\/summary>\n\n[^]+?\n\n<\/details>$/gm);
    return answers?.length === 1 ? name : `${name}?`;
  });
}

/**
 * The names of functions, options and files that prose has between backquotes, of more than three
 * letters, without those of the text's own blocks.
 */
export function namesIn(text: string): string[] {
  const blocks = (text.match(/^ *```[^]*?^ *```/gm) ?? []).join('\n');
  const own = new Set(blocks.match(/[\w$]+/g));
  const spans = Array.from(proseOf(text).matchAll(/`([^`\n]+)`/g), ([, span]) => span).join(' ');
  return [...new Set(spans.match(/[A-Za-z_$][\w$]{3,}/g))].filter((name) => !own.has(name));
}

/** The files of the repository that a text names between backquotes, each with its folder. */
export function filesIn(text: string): string[] {
  const path = /`((?:packages|examples|exercises|scripts|test)\/[\w./-]*\w)`/g;
  return Array.from(proseOf(text).matchAll(path), ([, file = '']) => file);
}

/** The lines of code that the site would have to scroll. What is printed may be wider. */
export function wideLinesOf(text: string): string[] {
  const blocks = text.match(/^```[^]*?^```$/gm) ?? [];
  return blocks.flatMap((block) => block.split('\n'))
    .filter((line) => line.length > MOST_COLUMNS && !/^\s*\/\/ /.test(line));
}

/** What is wrong with the form of a chapter, before another. */
export function problemsOf(
  chapter: Chapter, next: Chapter, isThere: (path: string) => boolean,
): string[] {
  const { text } = chapter;
  const problems: string[] = [];
  const require = (isRight: boolean, problem: string): void => {
    if (!isRight) problems.push(`${chapter.path}: ${problem}`);
  };
  const number = numberOf(chapter);
  require(
    titleOf(chapter).startsWith(`${number}. `), `the title does not begin with '${number}. '`,
  );
  const words = countWords(text);
  require(words <= MOST_WORDS, `it has ${words} words of prose, expected at most ${MOST_WORDS}`);
  const abilities = abilitiesOf(text).length;
  require(
    abilities >= 2 && abilities <= 4, `it lists ${abilities} abilities, expected two to four`,
  );
  require(sectionOf(text, 'In the source').includes('`'), "'In the source' names no file");
  const exercises = exercisesOf(text).join(', ');
  const isRight = exercises === 'Predict, Break, Extend';
  require(
    isRight, `the exercises are '${exercises}', expected Predict, Break, Extend, each answered`,
  );
  for (const file of filesIn(text)) require(isThere(file), `it names ${file}, which is not there`);
  for (const line of wideLinesOf(text)) require(false, `over ${MOST_COLUMNS} columns: ${line}`);
  const last = text.trimEnd().split('\n').at(-1) ?? '';
  const link = `Next: [${titleOf(next).replaceAll('`', '')}](${basename(next.path)})`;
  const leadsOn = last.startsWith(link) && last.endsWith('.');
  require(leadsOn, `the last line is '${last}', expected '${link}.'`);
  return problems;
}
