/** Exercises: their solutions have all properties, and the files to write begin unwritten. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { check } from '../../exercises/checks/check.ts';
import { exercises } from '../../exercises/checks/exercises.ts';
import { withoutComments } from '../support/source.ts';

const urlOf = (path: string): URL => new URL(`../../exercises/${path}.ts`, import.meta.url);
const load = async (path: string): Promise<object> => await import(/* @vite-ignore */ urlOf(path).href);

describe.each(exercises.map((exercise) => [exercise.name, exercise] as const))('%s', (name, exercise) => {
  it('is solved by its solution', async () => {
    const { properties } = exercise;
    expect(check(exercise, await load(`solutions/${name}`))).toEqual(
      { status: 'done', passed: properties.map(({ says }) => says) },
    );
  });

  it('is open at first', async () => {
    const { exports: [first] } = exercise;
    expect(check(exercise, await load(name)), `exercises/${name}.ts is written; git restores it`)
      .toEqual({ status: 'open', passed: [], problem: `${first} is not written yet` });
  });
});
