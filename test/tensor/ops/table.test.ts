/**
 * Properties of every op, generated from the table: gradients equal finite differences, float32
 * follows float64, the backward pass of constants stops, golden values are met.
 */
import { listOps, ops, Tensor } from '@mambagrad/tensor';
import type { CheckPart } from '@mambagrad/tensor/extend';
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { opCases } from '../../support/golden.ts';
import { expectGolden } from '../../support/goldenCase.ts';
import type { Row } from './families.ts';
import { callOf, checkRow, rows } from './rows.ts';
import { runs } from '../../support/soak.ts';

const names = Object.keys({ ...ops, ...listOps });

describe('the table of ops', () => {
  it('has a test row for every op, and no other rows', () => {
    expect(Object.keys(rows).sort()).toEqual(names.toSorted());
  });

  it('meets all golden cases but those of layers and losses, which are tested with nn', () => {
    const called = new Set(Object.entries(rows).map(([name, row]) => row.golden ?? name));
    const left = opCases().filter(({ op }) => !called.has(op));
    expect([...new Set(left.map(({ op }) => op))].sort()).toEqual([
      'bce_with_logits',
      'conv1d_depthwise_causal',
      'cross_entropy',
      'embedding',
      'layer_norm',
      'linear',
      'mse_loss',
      'rms_norm',
    ]);
  });

  it('is the list in the documentation', () => {
    const page = readFileSync(new URL('../../../docs/05-ops.md', import.meta.url), 'utf8');
    const table = page.split('\n').filter((line) => line.startsWith('| '));
    const listed = table.join().matchAll(/`(\w+)`/g);
    expect([...new Set(Array.from(listed, ([, name]) => name))].sort()).toEqual(
      [...names, 'einsum'].sort(),
    );
  });

  it('offers every op as a method', () => {
    for (const name of names) expect(Tensor.prototype).toHaveProperty(name);
  });
});

describe.each(Object.entries(rows))('%s', (name, row: Row) => {
  const passes = (only: readonly CheckPart[], numRuns: number) => {
    fc.assert(
      fc.property(fc.gen(), (g) => checkRow(name, g, only)),
      { numRuns: runs(numRuns) },
    );
  };

  it('has the gradient of finite differences', () => passes(['gradients'], 60));

  it('is in float32 what it is in float64, but for rounding', () => passes(['float32'], 40));

  it('loses no digits, not near 0 or 1 either', () => passes(['accuracy'], 10));

  if (!row.constant) {
    it('has second derivatives, by the same rules', () => passes(['secondGradients'], 25));
  }

  it('takes wrong inputs, with a meaning, or refuses them, and so axes of other sizes', () =>
    passes(['sizes', 'refusals', 'reference', 'float32'], 1));

  const cases = opCases(row.golden ?? name);
  if (cases.length === 0) return;
  it('meets its golden values', () => {
    for (const golden of cases) expectGolden(golden, callOf(name));
  });
});
