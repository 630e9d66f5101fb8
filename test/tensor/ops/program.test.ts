/**
 * Properties of whole programs: where single ops are right, their combinations are too, however
 * often a value is used and whatever is left unused.
 */
import { concat, gradcheck, type Tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, inject, it } from 'vitest';
import { expectClose, expectSame, valueAndGradients } from '../../support/compare.ts';
import { type Program, programs } from '../../support/program.ts';
import { table } from '../../support/sketch.ts';
import { runs } from '../../support/soak.ts';
import { lineNames } from '../../support/steps.ts';

/** All outputs of floating dtype as one, for a cotangent that weights each element differently. */
function joined({ run }: Program) {
  return (...inputs: Tensor[]): Tensor =>
    concat(
      run(...inputs)
        .filter(({ dtype }) => dtype !== 'i32')
        .map((output) => output.flatten()),
    );
}

describe('a random program', () => {
  it('has the gradients of finite differences', () => {
    fc.assert(
      fc.property(programs(), (program) => {
        gradcheck(joined(program), program.inputs);
      }),
      { numRuns: runs(300) },
    );
  });

  it('is in float32 what it is in float64, but for rounding, and so are its gradients', () => {
    fc.assert(
      fc.property(programs(), (program) => {
        // Both start from numbers that float32 can hold.
        const rounded = program.inputs.map((input) => input.cast('f32').cast('f64'));
        const expected = valueAndGradients(joined(program), rounded, 'f64');
        const found = valueAndGradients(joined(program), rounded, 'f32');
        expectClose(found.value, expected.value, 5e-6, 5e-6);
        found.gradients.forEach((gradient, i) => {
          expectClose(gradient, expected.gradients[i], 2e-5, 2e-5);
        });
      }),
      { numRuns: runs(300) },
    );
  });

  it.each([true, false])('gives the same bits each time (smooth: %s)', (smooth) => {
    fc.assert(
      fc.property(programs({ smooth }), fc.constantFrom('f32', 'f64'), (program, dtype) => {
        const inputs = program.inputs.map((input) => input.cast(dtype));
        const again = program.run(...inputs);
        program.run(...inputs).forEach((output, i) => {
          expectSame(output, again[i]);
          // Steps keep clear of what has no value, so that there are numbers to compare.
          for (const x of output.data) expect(x).toSatisfy(Number.isFinite);
        });
      }),
      { numRuns: runs(200) },
    );
  });
});

describe('random programs', () => {
  it('are made of every op of the table', () => {
    expect(lineNames.filter((name) => !Object.hasOwn(table, name))).toEqual([]);
    const missing = new Set(Object.keys(table));
    for (let round = 0; round < 40 && missing.size > 0; round++) {
      const some =
        fc.sample(programs({ smooth: false }), { seed: inject('seed') + round, numRuns: 50 });
      for (const name of some.flatMap((program) => program.ops)) missing.delete(name);
    }
    expect([...missing]).toEqual([]);
  });
});
