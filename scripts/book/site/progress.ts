/**
 * What the reader has done of the exercises, kept in the browser: answers, and which are solved.
 */
import { element } from './elements.ts';

const SOLVED = 'mambagrad-solved';
const answerKey = (name: string): string => `mambagrad-answer-${name}`;

/** The reader's version of an answer; undefined if there is none. */
export function keptAnswer(name: string): string | undefined {
  return read(answerKey(name)) ?? undefined;
}

/** Keeps an answer; undefined forgets it. */
export function keepAnswer(name: string, code: string | undefined): void {
  write(answerKey(name), code);
}

/** The names of the exercises that were solved. */
function solved(): string[] {
  return (read(SOLVED) ?? '').split(' ').filter((name) => name !== '');
}

/** Notes that an exercise is solved, and marks it on the page. */
export function noteSolved(name: string): void {
  write(SOLVED, [...new Set([...solved(), name])].join(' '));
  markSolved();
}

/** Marks the links to exercises that are solved. */
export function markSolved(): void {
  const names = solved();
  for (const link of document.querySelectorAll<HTMLAnchorElement>('a[href$=".html"]')) {
    const [, name] = /(?:^|\/)exercises\/(\w+)\.html$/.exec(link.href) ?? [];
    const isMarked = link.querySelector('.solved') !== null;
    if (name === undefined || isMarked || !names.includes(name)) continue;
    const attributes = { class: 'solved', role: 'img', 'aria-label': 'solved', title: 'solved' };
    link.append(' ', element('span', attributes, '✓'));
  }
}

/** A page that was opened as a file, or whose storage is closed, keeps nothing. */
function read(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function write(key: string, value: string | undefined): void {
  try {
    if (value === undefined) localStorage.removeItem(key);
    else localStorage.setItem(key, value);
  } catch {
    // What is on the page stays there as long as it is open.
  }
}
