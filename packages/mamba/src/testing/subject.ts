/**
 * Calls a candidate for cases, with arrays or tensors as it takes them, checks what it gives back,
 * and compares that with what is right.
 */
import { grad, Tensor, tensor } from '@mambagrad/tensor';
import { type Read, show } from '@mambagrad/tensor/options';
import type { candidateOptions, ScanAbility } from './candidate.ts';
import { Difference, inColumns, placeOf, showNumbers } from './failure.ts';
import {
  hasSteps, type ScanCase, type ScanReference, type ScanValues, shapeOf,
} from './reference.ts';
import { allowedErrors, ROUNDING } from './rounding.ts';

/** How numbers are handed to a candidate and taken back. */
interface Port {
  give(numbers: Float64Array, shape: readonly number[]): unknown;
  giveFlags(flags: Int32Array, shape: readonly number[]): unknown;
  /** The numbers of a result; throws a Difference unless it has this shape. */
  take(name: string, given: unknown, shape: readonly number[]): Float64Array;
}

const arrays = (dtype: 'f32' | 'f64'): Port => ({
  give: (numbers) => (dtype === 'f32' ? Float32Array.from(numbers) : numbers.slice()),
  giveFlags: (flags) => flags.slice(),
  take: (name, given, shape) => {
    const count = shape.reduce((product, size) => product * size, 1);
    const { length } = (given ?? {}) as Partial<ArrayLike<number>>;
    const isArray = Array.isArray(given) || ArrayBuffer.isView(given);
    if (isArray && length === count) return Float64Array.from(given as ArrayLike<number>);
    const found = isArray ? `has ${length} numbers` : `is ${show(given)}`;
    throw new Difference(`${name} ${found}, expected an array of ${count}: [${shape.join(', ')}]`);
  },
});

const tensors = (dtype: 'f32' | 'f64'): Port => ({
  give: (numbers, shape) => tensor(numbers, { shape, dtype, requiresGrad: true }),
  giveFlags: (flags, shape) => tensor(flags, { shape, dtype: 'i32' }),
  take: (name, given, shape) => {
    const isRight = given instanceof Tensor && given.dtype === dtype && sameShape(given, shape);
    if (isRight) return Float64Array.from(given.data);
    throw new Difference(`${name} is ${show(given)}, expected ${dtype}[${shape.join(', ')}]`);
  },
});

const sameShape = ({ shape }: Tensor, expected: readonly number[]): boolean =>
  shape.join() === expected.join();

/** The gradients of a case: of each input by its name, and of the initial state. */
export type Gradients = Readonly<Record<string, Float64Array>>;

/** What is checked: a candidate, and what it should compute. */
export class Subject {
  readonly reference: ScanReference;
  readonly candidate: Read<typeof candidateOptions>;
  readonly tolerance: number;
  readonly #port: Port;

  constructor(
    reference: ScanReference, candidate: Read<typeof candidateOptions>, tolerance: number,
  ) {
    this.reference = reference;
    this.candidate = candidate;
    this.tolerance = tolerance;
    this.#port = (candidate.tensors ? tensors : arrays)(candidate.dtype);
  }

  /** Whether the candidate says that it can do something. */
  can(ability: ScanAbility): boolean {
    return this.candidate.supports.includes(ability);
  }

  /** The shape of a result for a case. */
  shapeOf(result: 'y' | 'lastState', { sizes }: ScanCase): number[] {
    return shapeOf(result === 'y' ? this.reference.y : this.reference.state, sizes);
  }

  /** What the candidate gives for a case. */
  async run(given: ScanCase): Promise<ScanValues> {
    return this.#take(given, await this.candidate.run(this.#arguments(given) as never));
  }

  #take(given: ScanCase, results: unknown): ScanValues {
    const { y, lastState } = asRecord('run', results);
    return {
      y: this.#port.take('y', y, this.shapeOf('y', given)),
      lastState: this.can('lastState')
        ? this.#port.take('lastState', lastState, this.shapeOf('lastState', given)) : undefined,
    };
  }

  /** What `step` gives for a case of one step, and the state it was given, as it is then. */
  async step(
    given: ScanCase, state: Float64Array,
  ): Promise<{ y: Float64Array; state: Float64Array; before: Float64Array }> {
    const shape = this.shapeOf('lastState', given);
    const handed = this.#port.give(state, shape);
    const found = await this.candidate.step?.(this.#arguments(given, true) as never, handed);
    const results = asRecord('step', found);
    const [rows, , ...rest] = this.shapeOf('y', given);
    return {
      y: this.#port.take('y of step', results['y'], [rows, ...rest]),
      state: this.#port.take('state of step', results['state'], shape),
      before: this.#port.take('the given state', handed, shape),
    };
  }

  /** Runs the candidate twice on the same arguments. */
  async runTwice(given: ScanCase): Promise<{
    readonly results: readonly ScanValues[]; readonly inputs: Gradients;
  }> {
    const handed = this.#arguments(given);
    const first = this.#take(given, await this.candidate.run(handed as never));
    const second = this.#take(given, await this.candidate.run(handed as never));
    const inputs = this.#shapes(given).map(([name, shape]) =>
      [name, this.#port.take(name, handed[name], shape)] as const);
    return { results: [first, second], inputs: Object.fromEntries(inputs) };
  }

  /** The gradients that the candidate gives, from those of its results. */
  async gradients(given: ScanCase, cotangents: ScanValues): Promise<Gradients> {
    const handed = this.#arguments(given);
    const shapes = this.#shapes(given);
    const weights = {
      y: this.#port.give(cotangents.y, this.shapeOf('y', given)),
      lastState: this.#port.give(
        cotangents.lastState ?? new Float64Array(0),
        cotangents.lastState ? this.shapeOf('lastState', given) : [0],
      ),
    };
    const found = this.candidate.tensors
      ? tensorGradients(shapes.map(([name]) => name), handed, weights,
        asRecord('run', await this.candidate.run(handed as never)))
      : asRecord('gradients', await this.candidate.gradients?.(handed, weights));
    const gradients = shapes.map(([name, shape]) =>
      [name, this.#port.take(`the gradient of ${name}`, found[name], shape)] as const);
    return Object.fromEntries(gradients);
  }

  /** The names and shapes of the inputs of a case, the initial state among them. */
  #shapes({ sizes, initialState }: ScanCase): (readonly [string, number[]])[] {
    const { inputs, state } = this.reference;
    const all = Object.entries(inputs).map(([name, { axes }]) => [name, axes] as const);
    if (initialState) all.push(['initialState', state]);
    return all.map(([name, axes]) => [name, shapeOf(axes, sizes)]);
  }

  #arguments(given: ScanCase, isStep = false): Record<string, unknown> {
    const { sizes, inputs, initialState, reset, mask, reverse } = given;
    const found: Record<string, unknown> = { reverse, sizes };
    for (const [name, shape] of this.#shapes(given)) {
      const numbers = name === 'initialState' ? initialState : inputs[name];
      const input = this.reference.inputs[name];
      const isOneStep = isStep && input !== undefined && hasSteps(input);
      found[name] = this.#port.give(numbers ?? new Float64Array(0),
        isOneStep ? shape.toSpliced(1, 1) : shape);
    }
    const shape = [sizes['batch'], sizes['length']];
    if (reset) found['reset'] = this.#port.giveFlags(reset, shape);
    if (mask) found['mask'] = this.#port.giveFlags(mask, shape);
    return found;
  }

  /**
   * Throws a Difference unless a result is as near to what is expected as rounding allows, `times`
   * as far where both are rounded. Elements that do not count are given by `counts`.
   */
  requireNear(
    result: 'y' | 'lastState', found: Float64Array, expected: Float64Array, given: ScanCase,
    { times = 1, counts = () => true, what = 'expected' }: Comparison = {},
  ): void {
    const { dtype } = this.candidate;
    const errors = found.map((x, i) => (counts(i) ? errorOf(x, expected[i]) : 0));
    // An error of about this size is always allowed, as the result is rounded. Most are less.
    const few = (times * this.tolerance * ROUNDING[dtype]) / 2;
    if (errors.every((error, i) => error === 0 || error < few * Math.abs(expected[i]))) return;
    const allowed = allowedErrors(this.reference, given, result, times * this.tolerance, dtype);
    const excess = errors.map((error, i) => excessOf(error, allowed[i]));
    const worst = excess.reduce((most, each, i) => (each > excess[most] ? i : most), 0);
    if (!(excess[worst] > 1)) return;
    const place = placeOf(worst, this.shapeOf(result, given));
    throw new Difference(
      `${result}[${place}] is ${found[worst]}, ${what} ${expected[worst]}, give or take ` +
        `${allowed[worst].toPrecision(2)}`,
      inColumns({
        [`${result}, found`]: showNumbers(found, this.shapeOf(result, given)),
        [`${result}, ${what}`]: showNumbers(expected, this.shapeOf(result, given)),
      }),
    );
  }
}

/** How two results are compared. */
export interface Comparison {
  /** How many times the allowed error is allowed. Default 1. */
  readonly times?: number;
  /** Which elements count. Default all. */
  readonly counts?: (element: number) => boolean;
  /** What the second result is, as the error says it. Default 'expected'. */
  readonly what?: string;
}

/**
 * An error as a multiple of the allowed one. Where a result is infinite the allowed error is NaN,
 * and every error is too large: Infinity.
 */
function excessOf(error: number, allowed: number): number {
  if (error === 0) return 0;
  const excess = error / allowed;
  return Number.isNaN(excess) ? Infinity : excess;
}

/** How far x is from what it should be: infinitely, if only one is a number. */
export function errorOf(x: number, expected: number): number {
  if (Object.is(x, expected)) return 0;
  const error = Math.abs(x - expected);
  return Number.isNaN(error) ? Infinity : error;
}

function asRecord(op: string, results: unknown): Readonly<Record<string, unknown>> {
  if (typeof results === 'object' && results !== null) {
    return results as Readonly<Record<string, unknown>>;
  }
  throw new Difference(`${op} gave ${show(results)}, expected an object of results`);
}

/** The gradients of results that are tensors, as autograd finds them. */
function tensorGradients(
  names: readonly string[], inputs: Readonly<Record<string, unknown>>,
  weights: Readonly<Record<string, unknown>>, results: Readonly<Record<string, unknown>>,
): Record<string, Tensor> {
  const losses = ['y', 'lastState'].flatMap((name) => {
    const [result, weight] = [results[name], weights[name]];
    // A last state that is not supported has no weights.
    const areBoth = result instanceof Tensor && weight instanceof Tensor;
    if (!areBoth || !sameShape(weight, result.shape)) return [];
    return [result.mul(weight.detach()).sum()];
  });
  const loss = losses.reduce((sum, each) => sum.add(each));
  if (!loss.requiresGrad) throw new Difference('its results do not require gradients');
  const leaves = names.map((name) => inputs[name] as Tensor);
  const gradients = grad(loss, leaves, { allowUnused: true });
  return Object.fromEntries(names.map((name, i) => [name, gradients[i] ?? leaves[i].mul(0)]));
}
