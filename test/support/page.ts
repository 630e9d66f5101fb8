/** Runs the code of a page of the documentation, and holds it to what it says it prints. */
import { dirname, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { expect } from 'vitest';
import { compilePage, pageSoFar } from '../../scripts/publish/src/pageModule.ts';
import { writeIfChanged } from './recipes.ts';

/**
 * Writes the page as a module into `file`, runs it, and compares what it prints; `change` may say
 * where it imports from.
 */
export async function checkPage(
  name: string, text: string, file: string, change = (code: string): string => code,
): Promise<void> {
  const pageModule = new URL('../../scripts/publish/src/pageModule.ts', import.meta.url);
  const support = relative(dirname(file), fileURLToPath(pageModule)).replaceAll('\\', '/');
  const page = compilePage(name, text, support);
  if (page === undefined) return;
  writeIfChanged(file, change(page.code));
  try {
    await import(pathToFileURL(file).href);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const block = pageSoFar(name)?.block;
    const failure = block === undefined ? `${name}: does not load` : `${name}:${block}: throws`;
    throw new Error(`${failure}: ${message}`, { cause: error });
  }
  const printed = pageSoFar(name)?.printed;
  for (const [line, expected] of page.expected) {
    expect.soft(trimLines(printed?.get(line) ?? ''), `${name}:${line} prints`).toBe(expected);
  }
}

function trimLines(text: string): string {
  return text.replaceAll(/[^\S\n]+$/gm, '');
}
