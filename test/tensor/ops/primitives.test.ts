/** All primitives that a process has: those of the table of ops, and a few that are not called. */
import { listOps, ops } from '@mambagrad/tensor';
import { primitiveNames } from '@mambagrad/tensor/extend';
import { expect, it } from 'vitest';

it('are those to which the table of ops leads', () => {
  const names = Object.keys({ ...ops, ...listOps });
  // Those that make tensors of a state have no tensor to be called on, nor has scan.
  const made = ['uniform', 'normal', 'scan'];
  expect(primitiveNames().filter((name) => !names.includes(name))).toEqual(made);
});
