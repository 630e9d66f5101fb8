/**
 * CONTRIBUTING.md holds: its links lead somewhere, its code runs, and its recipes work. They are
 * followed in a copy of the sources, test/generated/recipes, and the tests that they say to write
 * are run there.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import type { Row } from './options/row.ts';
import { Anchors } from '../scripts/api/markdown.ts';
import { checkPage } from './support/page.ts';
import {
  changed, changesIn, entriesOf, follow, nameIn, withCopies, withoutChanges,
} from './support/recipes.ts';
import type { Row as OpRow } from './tensor/ops/families.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const copy = join(root, 'test/generated/recipes');
const text = readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8').replaceAll('\r\n', '\n');
const changes = changesIn(text);
const paths = follow(changes, root, copy);
const isNew = (path: string): boolean => !existsSync(join(root, path));

/** A module of the copy. */
async function load(path: string): Promise<Record<string, unknown>> {
  const url = pathToFileURL(join(copy, nameIn(path))).href;
  return (await import(/* @vite-ignore */ url)) as Record<string, unknown>;
}

/** The rows that recipes add to a table. */
async function rowsIn<T>(path: string): Promise<[string, T][]> {
  const { rows } = await load(path);
  const added = changes.filter((change) => change.path === path).flatMap(({ text: code }) =>
    Array.from(code.matchAll(/^\+ {2}(\w+): /gm), ([, name]) => name),
  );
  return added.map((name) => [name, (rows as Record<string, T>)[name]]);
}

/** Runs a page with the copy's packages. */
function checkCopied(page: string, code: string): Promise<void> {
  const path = `${page}.ts`;
  const entries = entriesOf(root);
  return checkPage(page, code, join(copy, path), (module) => withCopies(module, path, entries));
}

/** The anchors of a page's headings. */
function anchorsIn(page: string): Set<string> {
  const anchors = new Anchors();
  return new Set(Array.from(page.matchAll(/^#+ (.+)$/gm), ([, heading]) => anchors.next(heading)));
}

test('links and paths lead somewhere', () => {
  const isThere = (path: string) => !isNew(path) || paths.includes(path);
  const named = [...text.matchAll(/`((?:packages|test|docs)\/[\w./-]+)`/g)].map(([, path]) => path);
  expect(named.filter((path) => !isThere(path))).toEqual([]);
  const links = [...withoutChanges(text).matchAll(/\]\(([^)\s]+)\)/g)].map(([, link]) => link);
  const broken = links.filter((link) => !/^https?:/.test(link)).filter((link) => {
    const [path, anchor] = link.split('#');
    if (path !== '' && isNew(path)) return true;
    if (anchor === undefined) return false;
    const page = path === '' ? text : readFileSync(join(root, path), 'utf8');
    return !anchorsIn(page).has(anchor);
  });
  expect(broken).toEqual([]);
});

test('its code prints what it says', () => checkCopied('CONTRIBUTING.md', withoutChanges(text)));

describe('recipes', async () => {
  test('are all there', () => {
    const kinds = ['packages/tensor/src/ops/', 'packages/tensor/src/compile/passes/',
      'packages/nn/src/layers/', 'packages/nn/src/checkpoints/', 'examples/', 'docs/'];
    expect(kinds.filter((kind) => !paths.some((path) => path.startsWith(kind)))).toEqual([]);
  });

  for (const path of paths.filter((each) => each.endsWith('.test.ts'))) {
    describe(path, async () => {
      await load(path);
    });
  }

  test.each(paths.filter((path) => path.startsWith('examples/')))('%s', async (path) => {
    const log = vi.spyOn(console, 'log').mockReturnValue();
    await load(path);
    expect(log).toHaveBeenCalled();
  });

  test.each(paths.filter((path) => path.startsWith('docs/') && isNew(path)))('%s', (path) =>
    checkCopied(path, readFileSync(join(copy, path), 'utf8')),
  );

  test.each(await rowsIn<OpRow>('test/tensor/ops/rows.ts'))('the op %s', async (_name, row) => {
    const { compile, gradcheck } = await load('packages/tensor/src/index.ts') as unknown as
      typeof import('@mambagrad/tensor');
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const { inputs, apply } = row.draw(g);
        gradcheck(apply, inputs);
        const singles = inputs.map((input) => input.cast('f32'));
        const [eager, compiled] = [apply(...singles), compile(apply)(...singles)];
        compiled.data.forEach((value, i) => expect(value).toBeCloseTo(eager.data[i], 5));
      }),
      { numRuns: 10 },
    );
  });

  test.each(await rowsIn<Row>('test/options/rows.ts'))('options of %s', (_name, row) => {
    row.run(row.fewest() as never);
    const unknown = { noSuchOption: 1 } as never;
    expect(() => row.run(unknown)).toThrow("there is no option 'noSuchOption'");
  });
});

describe('a change', () => {
  const change = (code: string, isDiff = true) => ({ path: 'a.ts', line: 7, isDiff, text: code });

  test('is made where its lines are', () => {
    expect(changed('a\nb\nc\n', change(' b\n+x\n'))).toBe('a\nb\nx\nc\n');
    expect(changed('a\nb\nc\n', change('-a\n+y\n@@\n-c\n'))).toBe('y\nb\n');
    expect(changed(undefined, change('new\n', false))).toBe('new\n');
  });

  test('is refused where they are not, or twice', () => {
    const none = 'CONTRIBUTING.md:7: a.ts has these lines 0 times';
    expect(() => changed('a\nb\n', change(' c\n+x\n'))).toThrow(none);
    expect(() => changed('a\na\n', change(' a\n+x\n'))).toThrow('a.ts has these lines 2 times');
    expect(() => changed(undefined, change(' a\n'))).toThrow('is not there');
    expect(() => changed('a\n', change('a\n', false))).toThrow('is there already');
  });
});
