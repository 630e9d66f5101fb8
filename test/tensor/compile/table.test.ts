/**
 * Every op of the table, compiled, with its gradients: at the shapes that its row draws, with each
 * size of the last axis from nothing to two vectors and one more, and at its golden cases.
 */
import { compile, listOps, ops, type Tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { leaf } from '../../support/compare.ts';
import {
  type Body, expectAllSame, expectCompiled, twins, withGradients,
} from '../../support/compiled.ts';
import { withLast } from '../../support/draw.ts';
import { opCases } from '../../support/golden.ts';
import { expectGoldenCompiled } from '../../support/goldenCase.ts';
import { asTwins } from '../../support/sharing.ts';
import type { Row } from '../ops/families.ts';
import { callOf, checkRow, rows } from '../ops/rows.ts';
import { isSoak, oneOf, runs, someOf } from '../../support/soak.ts';

it('has a row for every op', () => {
  expect(Object.keys(rows).sort()).toEqual(Object.keys({ ...ops, ...listOps }).sort());
});

it('has programs that leave one another alone, in one compiled function', () => {
  fc.assert(
    fc.property(fc.gen(), (g) => {
      const names = Array.from({ length: 5 }, () => g(() => fc.constantFrom(...Object.keys(rows))));
      const calls = names.map((name) => ({ row: rows[name], ...rows[name].draw(g) }));
      const body = (number: number, ...inputs: Tensor[]) => {
        const { row, apply } = calls[number];
        const value = (...args: Tensor[]) => [apply(...args)];
        return row.constant ? value(...inputs) : withGradients(value)(...inputs);
      };
      const compiled = twins(body);
      const results = calls.map(({ row, inputs }, number) =>
        expectCompiled(
          (...args) => compiled(number, ...args), (...args) => body(number, ...args), inputs,
          row.constant,
        ),
      );
      // Each program once more, after all the others.
      for (const [number, { inputs }] of calls.entries()) {
        const leaves = inputs.map((input) => leaf(input, 'f32'));
        expectAllSame(compiled(number, ...leaves), results[number]);
      }
    }),
    { numRuns: runs(60) },
  );
});

/** The function for callers that all ask the same in the same order: it computes that once. */
function remembered(body: Body): () => Body {
  const results: ReturnType<Body>[] = [];
  return () => {
    let next = 0;
    return (...args) => (results[next++] ??= body(...args));
  };
}

const passes = ['share', 'fold', 'drop', 'inline', 'group', 'inPlace'] as const;

describe.each(Object.entries(rows))('%s, compiled', (name, row: Row) => {
  it.each(oneOf([
    [0, 1, 2, 3, 4],
    [5, 6, 7, 8, 9],
  ]))('is what it is eagerly, with %i, %i, %i, %i and %i in a row', (...sizes) => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        for (const size of sizes) checkRow(name, withLast(g, size), ['reference', 'compiled']);
      }),
      { numRuns: isSoak ? 2 : 1 },
    );
  });

  const cases = opCases(row.golden ?? name);
  if (cases.length === 0) return;
  it('meets its golden values, in float32', () => {
    for (const golden of cases) expectGoldenCompiled(golden, callOf(name));
  });
});

// What costs most is tried for some ops, as the seed chooses.
describe.each(someOf(Object.entries(rows)))('%s, compiled', (name, row: Row) => {
  it('has kernels that stay within their memory, and can be partitioned', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        for (const size of [1, 4, 9]) checkRow(name, withLast(g, size), ['guarded']);
      }),
      { numRuns: 1 },
    );
  });

  it('is near without each pass, and without all', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const { apply, inputs } = row.draw(g);
        const value = (...args: Tensor[]) => [apply(...args)];
        const body = row.constant ? value : withGradients(value);
        const leaves = inputs.map((input) => leaf(input, 'f32'));
        // All compile one trace, and are compared with the same eager results.
        const without = [...passes.map((pass) => [pass]), passes];
        const programs = without.map((some) => compile(body, { without: some }));
        const found = asTwins(programs.map((program) => () => program(...leaves)));
        const asked = remembered(body);
        for (const each of found) expectCompiled(() => each, asked(), inputs, row.constant);
      }),
      { numRuns: isSoak ? 2 : 1 },
    );
  });
});
