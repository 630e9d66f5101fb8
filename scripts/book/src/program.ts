/**
 * The code of pages as the site runs it: each block as JavaScript, whose lines are those of the
 * page, with what it is expected to print.
 */
import { runnableBlocks } from '../../publish/src/pageModule.ts';
import { compileAll, eraseTypes } from './erase.ts';

/** The blocks of a page, which run one after the other, as one program. */
export interface PageProgram {
  readonly blocks: readonly ProgramBlock[];
}

/** A block of code. */
export interface ProgramBlock {
  /** The line of its opening fence on the page, from 1. */
  readonly line: number;
  /** JavaScript: types are erased, imports and comments are not. */
  readonly code: string;
  /** What each `console.log` should print, by its line in the code, from 1. */
  readonly expected: readonly { readonly line: number; readonly text: string }[];
}

/** The programs of pages, by their names; pages without code have none. */
export function programsOf(pages: ReadonlyMap<string, string>): Map<string, PageProgram> {
  const found = [...pages].map(([name, text]) => ({ name, blocks: runnableBlocks(name, text) }));
  const sources = found.flatMap(({ blocks }) => blocks.map(({ code }) => code.join('\n')));
  const compiled = compileAll(sources);
  let next = 0;
  const programs = found.map(({ name, blocks }) => {
    const all = blocks.map(({ line, expected }): ProgramBlock => {
      const code = eraseTypes(sources[next], compiled[next]);
      next += 1;
      const texts = [...expected].map(([at, text]) => ({ line: at - line, text }));
      return { line, code, expected: texts };
    });
    return [name, { blocks: all }] as const;
  });
  return new Map(programs.filter(([, { blocks }]) => blocks.length > 0));
}
