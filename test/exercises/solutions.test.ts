/**
 * Exercises: their solutions have all properties, the files to write begin unwritten and have the
 * signatures of the solutions, and the checks run in a browser, too.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { check } from '../../exercises/checks/check.ts';
import { exercises } from '../../exercises/checks/exercises.ts';
import { textOf } from '../../exercises/checks/report.ts';
import { importsOf, withoutComments } from '../support/source.ts';

const urlOf = (path: string): URL => new URL(`../../exercises/${path}`, import.meta.url);
const codeOf = (path: string): string => readFileSync(urlOf(path), 'utf8');
const load = async (path: string): Promise<object> =>
  await import(/* @vite-ignore */ urlOf(path).href) as object;

/** The code of a file without the bodies of its functions. */
function signaturesOf(path: string): string {
  return withoutComments(codeOf(path)).replaceAll(/^(export function [^]*? \{)\n[^]*?^\}/gm, '$1')
    .replaceAll(/\n+/g, '\n').trim();
}

describe.each(exercises.map((each) => [each.name, each] as const))('%s', (name, exercise) => {
  const { exports, properties, hints } = exercise;

  it('is solved by its solution', async () => {
    expect(check(exercise, await load(`solutions/${name}.ts`))).toEqual(
      { status: 'done', passed: properties.map(({ says }) => says) },
    );
  });

  it('is open at first', async () => {
    expect(check(exercise, await load(`${name}.ts`)), `exercises/${name}.ts: git restores it`)
      .toEqual({ status: 'open', passed: [], problem: `${exports[0]} is not written yet` });
  });

  it('asks for what the solution gives', () => {
    expect(signaturesOf(`${name}.ts`)).toBe(signaturesOf(`solutions/${name}.ts`));
    expect(codeOf(`${name}.ts`)).toContain(`Check it with \`npm run exercise ${name}\``);
    expect(codeOf(`${name}.ts`)).toContain(` * ${exercise.title}\n`);
  });

  it('has hints, and properties that are told apart', () => {
    expect(hints.length).toBeGreaterThan(2);
    expect(new Set(properties.map(({ says }) => says)).size).toBe(properties.length);
  });
});

it('all files are exercises', () => {
  const files = readdirSync(urlOf('.')).filter((file) => file.endsWith('.ts'));
  expect(files.sort()).toEqual(exercises.map(({ name }) => `${name}.ts`).sort());
});

it('a function that is written beside one that is not is checked', async () => {
  const combine = exercises.find(({ name }) => name === 'combine');
  if (combine === undefined) throw new Error('there is no exercise combine');
  const solution = await load('solutions/combine.ts') as { readonly combine: unknown };
  const half = { combine: solution.combine };
  expect(check(combine, half)).toMatchObject(
    { status: 'open', problem: 'the file exports no function identity' },
  );
  const identity = (): never => {
    throw new Error('identity is not written yet');
  };
  const report = check(combine, { ...half, identity });
  expect(report).toMatchObject({ status: 'open', problem: 'identity is not written yet' });
  expect(report.passed).toHaveLength(3);
});

it('checks need nothing of Node', () => {
  const allowed = /^(?:fast-check|@mambagrad\/(?:kernel|tensor|tensor\/extend)|\.\.?\/[\w/]+\.ts)$/;
  for (const folder of ['checks', 'solutions']) {
    for (const file of readdirSync(urlOf(folder)).filter((each) => each.endsWith('.ts'))) {
      const imports = importsOf(codeOf(`${folder}/${file}`));
      expect(imports.filter((specifier) => !allowed.test(specifier)), file).toEqual([]);
      const inside = imports.filter((specifier) => specifier.startsWith('.'));
      for (const specifier of inside) {
        expect(existsSync(new URL(specifier, urlOf(`${folder}/${file}`))), specifier).toBe(true);
        expect(specifier).not.toMatch(/runner/);
      }
    }
  }
});

describe('the page', () => {
  const page = readFileSync(new URL('../../docs/exercises.md', import.meta.url), 'utf8');

  it('lists every exercise', () => {
    const listed = [...page.matchAll(/^\| \[`(\w+)`\]\(\.\.\/exercises\/(\w+)\.ts\)/gm)];
    expect(listed.map(([, name]) => name)).toEqual(exercises.map(({ name }) => name));
    expect(listed.every(([, name, file]) => name === file)).toBe(true);
  });

  it('shows what the check of a mistake prints', async () => {
    const combine = exercises.find(({ name }) => name === 'combine');
    if (combine === undefined) throw new Error('there is no exercise combine');
    const [, shown] = /^```text\n([^]*?)\n\nYour file is/m.exec(page) ?? [];
    const { identity } = await load('solutions/combine.ts') as { readonly identity: unknown };
    const wrong = (earlier: { a: number; b: number }, later: { a: number; b: number }) =>
      ({ a: later.a * earlier.a, b: earlier.b + later.b });
    expect(textOf(combine, check(combine, { combine: wrong, identity }))).toBe(shown);
  });
});
