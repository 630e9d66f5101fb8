/** A model of one number for tests of training, and states that are compared bit for bit. */
import {
  Module, Parameter, SGD, type StateDict, type StepRecord, Trainer, type TrainerOptions,
} from '@mambagrad/nn';
import { type DType, type Tensor, tensor } from '@mambagrad/tensor';
import { expect } from 'vitest';
import { expectSame } from './compare.ts';

/** A model whose one parameter is a number. */
export class Scalar extends Module {
  readonly value: Parameter;

  constructor(value: number, dtype: DType = 'f64') {
    super();
    this.value = new Parameter(tensor(value, { dtype }));
  }
}

/** Trains a number by plain descent with a rate of 1. */
export function scalarTrainer(
  start: number,
  loss: (value: Tensor, batch: Tensor) => Tensor,
  options: Partial<TrainerOptions<Tensor>> = {},
) {
  const model = new Scalar(start);
  const records: StepRecord[] = [];
  const trainer = new Trainer<Tensor>({
    model,
    optimizer: new SGD(model.parameters(), { lr: 1 }),
    loss: (batch) => ({ loss: loss(model.value, batch) }),
    data: () => tensor(1, { dtype: 'f64' }),
    callbacks: [(record) => records.push(record)],
    ...options,
  });
  return { model, trainer, records };
}

/** The same names in the same order, and the same bits. */
export function expectSameState(found: StateDict, expected: StateDict): void {
  expect([...found.keys()]).toEqual([...expected.keys()]);
  for (const [name, value] of expected) {
    const other = found.get(name);
    expect(other, name).toBeDefined();
    if (other) expectSame(other, value);
  }
}
