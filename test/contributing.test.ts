/**
 * CONTRIBUTING.md holds: its links lead somewhere, its code runs, and its recipes work. They are
 * followed in a copy of the sources, test/generated/recipes, and the tests that they say to write
 * are run there.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkPage } from './support/page.ts';
import { changed, changesIn, follow, nameIn, withoutChanges } from './support/recipes.ts';
import type { Row } from './options/rows.ts';
import type { Row as OpRow } from './tensor/ops/families.ts';
import { rows as optionRows } from './options/rows.ts';
import { rows as opRows } from './tensor/ops/rows.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const copy = join(root, 'test/generated/recipes');
const text = readFileSync(join(root, 'CONTRIBUTING.md'), 'utf8').replaceAll('\r\n', '\n');
const changes = changesIn(text);
const paths = follow(changes, root, copy);

/** A module of the copy. */
async function load(path: string): Promise<Record<string, unknown>> {
  const url = pathToFileURL(join(copy, nameIn(path))).href;
  return (await import(/* @vite-ignore */ url)) as Record<string, unknown>;
}

/** The rows that recipes add to a table. */
async function added<T>(path: string, known: object): Promise<[string, T][]> {
  const { rows } = await load(path);
  return Object.entries(rows as Record<string, T>).filter(([name]) => !Object.hasOwn(known, name));
}

test('links and paths lead somewhere', () => {
  const links = [...text.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)].map(([, link]) => link);
  const written = new Set(changes.map(({ path }) => path));
  const named = [...text.matchAll(/`((?:packages|test|docs)\/[\w./-]+)`/g)].map(([, path]) => path);
  const missing = [...links.filter((link) => !/^https?:/.test(link)), ...named]
    .filter((path) => !existsSync(join(root, path)) && !written.has(path));
  expect(missing).toEqual([]);
});

test('its code prints what it says', () =>
  checkPage('CONTRIBUTING.md', withoutChanges(text), join(root, 'test/generated/CONTRIBUTING.md.ts')));

describe('recipes', async () => {
  for (const path of paths.filter((each) => each.endsWith('.test.ts'))) {
    describe(path, async () => {
      await load(path);
    });
  }

  test.each(paths.filter((path) => path.startsWith('docs/') && !existsSync(join(root, path))))(
    '%s', (path) => checkPage(path, readFileSync(join(copy, path), 'utf8'), join(copy, `${path}.ts`)),
  );

  test.each(await added<OpRow>('test/tensor/ops/rows.ts', opRows))('the op %s', async (_name, row) => {
    const { compile, gradcheck, Tensor } = await load('packages/tensor/src/index.ts') as unknown as
      typeof import('@mambagrad/tensor');
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const { inputs, apply } = row.draw(g);
        gradcheck(apply, inputs);
        const singles = inputs.map((input) => input.cast('f32'));
        const [eager, compiled] = [apply(...singles), compile(apply)(...singles)];
        expect(eager).toBeInstanceOf(Tensor);
        compiled.data.forEach((value, i) => expect(value).toBeCloseTo(eager.data[i], 5));
      }),
      { numRuns: 20 },
    );
  });

  test.each(await added<Row>('test/options/rows.ts', optionRows))('options of %s', (_name, row) => {
    row.run(row.fewest() as never);
    expect(() => row.run({ noSuchOption: 1 } as never)).toThrow("there is no option 'noSuchOption'");
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
    expect(() => changed('a\nb\n', change(' c\n+x\n'))).toThrow('CONTRIBUTING.md:7: a.ts has these lines 0');
    expect(() => changed('a\na\n', change(' a\n+x\n'))).toThrow('a.ts has these lines 2 times');
    expect(() => changed(undefined, change(' a\n'))).toThrow('is not there');
    expect(() => changed('a\n', change('a\n', false))).toThrow('is there already');
  });
});
