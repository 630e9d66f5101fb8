/** Runs the code of every page of the documentation, and holds it to what it says it prints. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { compilePage, pageSoFar } from './support/docs.ts';

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

const docs = existsSync(at('../docs')) ? readdirSync(at('../docs'), { recursive: true }) : [];
const pages = [
  'README.md',
  ...docs.map((file) => `docs/${String(file).replaceAll('\\', '/')}`).sort(),
].filter((page) => page.endsWith('.md'));

test.each(pages)('%s', async (name) => {
  const file = at(`generated/${name}.ts`);
  const support = relative(dirname(file), at('support/docs.ts')).replaceAll('\\', '/');
  const page = compilePage(name, readFileSync(at(`../${name}`), 'utf8'), support);
  if (page === undefined) return;
  writeIfChanged(file, page.code);
  try {
    await import(pathToFileURL(file).href);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const block = pageSoFar(name)?.block;
    const failure = block === undefined ? `${name}: does not load` : `${name}:${block}: throws`;
    throw new Error(`${failure}: ${message}`, { cause: error });
  }
  const printed = pageSoFar(name)?.printed;
  for (const [line, text] of page.expected) {
    expect.soft(trimLines(printed?.get(line) ?? ''), `${name}:${line} prints`).toBe(text);
  }
});

function trimLines(text: string): string {
  return text.replaceAll(/[^\S\n]+$/gm, '');
}

/** Leaves a file that is as it should be untouched: in watch mode a write starts the next run. */
function writeIfChanged(file: string, text: string): void {
  if (existsSync(file) && readFileSync(file, 'utf8') === text) return;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}
