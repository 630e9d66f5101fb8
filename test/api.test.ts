/**
 * docs/api is what `npm run api` writes from the .d.ts files of the packages, which have to be
 * compiled for this: `npm test` does so, `npm run build` too.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { formatCode } from '../scripts/api/code.ts';
import { declarationsIn, memberName, membersOf } from '../scripts/api/declarations.ts';
import { Anchors } from '../scripts/api/markdown.ts';
import { apiPages } from '../scripts/api/page.ts';

const pages = apiPages();
const folder = fileURLToPath(new URL('../docs/api/', import.meta.url));

test('docs/api is up to date', () => {
  const stored = existsSync(folder) ? readdirSync(folder) : [];
  const files = new Set([...pages.keys(), ...stored]);
  const stale = [...files].flatMap((file) => {
    const path = join(folder, file);
    const text = existsSync(path) ? readFileSync(path, 'utf8').replaceAll('\r\n', '\n') : '';
    const lines = text.split('\n');
    const expected = (pages.get(file) ?? '').split('\n');
    const line = expected.findIndex((each, i) => each !== lines[i]);
    if (text === pages.get(file)) return [];
    return [`docs/api/${file}:${line + 1}: should be ${JSON.stringify(expected[line] ?? 'gone')}`];
  });
  expect(stale, 'run `npm run api` to write these pages').toEqual([]);
});

test('every link leads somewhere', () => {
  const headings = new Map([...pages].map(([file, text]) => {
    const anchors = new Anchors();
    return [file, new Set([...text.matchAll(/^#+ (.+)$/gm)].map(([, each]) => anchors.next(each)))];
  }));
  const broken = [...pages].flatMap(([file, text]) =>
    [...text.matchAll(/\]\(([^)\s]+)\)|href="([^"]+)"/g)].flatMap(([, inText, inCode]) => {
      const link = inText ?? inCode;
      const [path, anchor] = link.split('#');
      const target = path === '' ? file : path;
      const isThere = anchor === undefined
        ? pages.has(target) || existsSync(join(dirname(join(folder, file)), target))
        : headings.get(target)?.has(anchor);
      return isThere ? [] : [`${file}: ${link}`];
    }),
  );
  expect(broken).toEqual([]);
});

test('declarations end at semicolons, but not at those in brackets and literals', () => {
  const found = declarationsIn(`/** Header; of the file. */
import { a } from './a.ts';
/**
 * A pair { of
 *     things }.
 */
export interface Pair<T = { x: ';' }> {
    /** The first; of two. */
    readonly first: T;
    second(x: '}', y: { z: number; }): void;
}
export declare const c: number;
`);
  expect(found.map(({ doc }) => doc)).toEqual([
    'Header; of the file.', 'A pair { of\n    things }.', '',
  ]);
  const members = membersOf(found[1]);
  expect(members.map(memberName)).toEqual(['first', 'second']);
  expect(members[0].doc).toBe('The first; of two.');
});

test('code is broken at its longest brackets, where it is too long for a line', () => {
  const argument = (i: number) => `argument${i}: { readonly key: string; value: () => number }`;
  const code = `call(${[1, 2].map(argument).join(', ')}): void`;
  expect(formatCode(code)).toBe(`call(\n  ${argument(1)},\n  ${argument(2)},\n): void`);
  expect(formatCode('f(a: number): void')).toBe('f(a: number): void');
});
