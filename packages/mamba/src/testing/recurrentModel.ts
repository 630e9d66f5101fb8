/**
 * A recurrent model as the kit calls it: inputs for it, its results as lists, and their comparison.
 */
import { grad, Tensor, tensor } from '@mambagrad/tensor';
import { show } from '@mambagrad/tensor/options';
import { Difference, inColumns, placeOf, showNumbers } from './failure.ts';
import { type Random, randomFrom } from './random.ts';
import { ROUNDING } from './rounding.ts';

/** What `scan` and `step` give. */
export interface RecurrentResults<State> {
  /** The result of each step, [batch, length, …]; of `step`, [batch, …]. */
  readonly y: Tensor;
  /** The state after the last step: a tensor, or any tree of them. */
  readonly state: State;
}

/** Flags of a sequence and the state before it, as `scan` of this package's modules takes them. */
export interface RecurrentOptions<State> {
  /** The state to go on from; if undefined, that before the first step. */
  readonly state?: State | undefined;
  /** Not 0 where the past is dropped, i32 [batch, length]. */
  readonly reset?: Tensor | undefined;
  /** 0 at padding, i32 [batch, length]. */
  readonly mask?: Tensor | undefined;
}

/**
 * A recurrent model: a module of this package, or anything with these two functions; one without
 * `step` is read by `scan` alone. If it has `forward(x)`, `initialState(batch)` or `parameters()`,
 * they are checked, too.
 */
export interface RecurrentModel<State = never> {
  /** Reads x [batch, length, …] from a state. */
  scan(
    x: Tensor, options?: RecurrentOptions<State>,
  ): RecurrentResults<unknown> | Promise<RecurrentResults<unknown>>;
  /** Reads one step, x [batch, …]. */
  step?(x: Tensor, state: State): RecurrentResults<unknown> | Promise<RecurrentResults<unknown>>;
}

/** What the kit may ask of a model besides. */
export interface OptionalFunctions {
  readonly forward?: (x: Tensor) => Tensor | Promise<Tensor>;
  readonly initialState?: (batch: number) => unknown;
  readonly parameters?: () => readonly Tensor[];
}

/** What a model reads. */
export interface ModelInputs {
  /** The width of each step, or undefined for tokens. */
  readonly width: number | undefined;
  readonly vocabSize: number | undefined;
  readonly dtype: 'f32' | 'f64';
  /** Whether it takes flags. */
  readonly flags: boolean;
}

/** An input of a model, which fast-check makes smaller; all numbers follow from the seed. */
export interface ModelCase {
  readonly batch: number;
  readonly length: number;
  /** How many steps were read to come to the state; 0 for none. */
  readonly before: number;
  /** A step, from 0 to the length. */
  readonly at: number;
  readonly seed: number;
}

/** Tensors by the places where they are in a tree of results. */
export type Leaves = ReadonlyMap<string, Tensor>;

/** The tensors of a tree. */
export function leavesOf(tree: unknown, place = ''): Leaves {
  if (tree instanceof Tensor) return new Map([[place, tree]]);
  if (typeof tree !== 'object' || tree === null) return new Map();
  const nameOf = (key: string): string =>
    Array.isArray(tree) ? `${place}[${key}]` : place === '' ? key : `${place}.${key}`;
  return new Map(
    Object.entries(tree).flatMap(([key, part]) => [...leavesOf(part, nameOf(key))]),
  );
}

/** What is checked: a model, and what it reads. */
export class ModelSubject {
  readonly model: RecurrentModel<unknown> & OptionalFunctions;
  readonly inputs: ModelInputs;
  readonly tolerance: number;

  constructor(model: RecurrentModel<unknown>, inputs: ModelInputs, tolerance: number) {
    this.model = model;
    this.inputs = inputs;
    this.tolerance = tolerance;
  }

  /** Numbers or tokens for some steps. */
  draw(batch: number, length: number, seed: number): Tensor {
    const { width, vocabSize = 1, dtype } = this.inputs;
    const random = randomFrom(seed);
    const fill = (count: number, next: (random: Random) => number): number[] =>
      Array.from({ length: count }, () => next(random));
    if (width === undefined) {
      const tokens = fill(batch * length, () => random.whole(0, vocabSize - 1));
      return tensor(tokens, { shape: [batch, length], dtype: 'i32' });
    }
    const numbers = fill(batch * length * width, () => random.uniform(-2, 2));
    return tensor(numbers, { shape: [batch, length, width], dtype });
  }

  /** The lines that show a case. */
  show({ batch, length, before, at, seed }: ModelCase): string[] {
    const shown = (x: Tensor): string => showNumbers(Array.from(x.data), x.shape);
    return inColumns({
      x: shown(this.draw(batch, length, seed)),
      ...(before > 0 && { 'after reading': shown(this.draw(batch, before, seed + 1)) }),
      step: String(at),
    });
  }

  /** The input of a case, and the state that it is read from. */
  async begin({ batch, length, before, seed }: ModelCase): Promise<{ x: Tensor; state: unknown }> {
    const x = this.draw(batch, length, seed);
    if (before === 0) return { x, state: undefined };
    return { x, state: (await this.scan(this.draw(batch, before, seed + 1), {})).state };
  }

  /** The state before the first step, as a value. */
  async start(batch: number, state: unknown): Promise<unknown> {
    if (state !== undefined) return state;
    const { model } = this;
    if (model.initialState) return model.initialState(batch);
    return (await this.scan(this.draw(batch, 0, 0), {})).state;
  }

  /** `scan` of the model; throws a Difference unless it gives y and a state. */
  async scan(
    x: Tensor, options: RecurrentOptions<unknown>,
  ): Promise<RecurrentResults<unknown>> {
    return requireResults('scan', await this.model.scan(x, options));
  }

  /** `step` of the model. */
  async step(x: Tensor, state: unknown): Promise<RecurrentResults<unknown>> {
    return requireResults('step', await this.model.step?.(x, state));
  }

  /** Throws a Difference unless both are the same tensors, up to rounding. */
  requireClose(what: string, found: Leaves, expected: Leaves, times = 1): void {
    const names = [...expected.keys()];
    if ([...found.keys()].join() !== names.join()) {
      throw new Difference(
        `${what}: the results are ${[...found.keys()].join(', ')}, expected ${names.join(', ')}`,
      );
    }
    for (const [name, wanted] of expected) {
      const x = found.get(name);
      if (x !== undefined) this.#requireNear(`${what}: ${name}`, x, wanted, times);
    }
  }

  #requireNear(name: string, x: Tensor, wanted: Tensor, times: number): void {
    if (x.dtype !== wanted.dtype || x.shape.join() !== wanted.shape.join()) {
      throw new Difference(`${name} is ${show(x)}, expected ${show(wanted)}`);
    }
    const finite = Array.from<number>(wanted.data).filter(Number.isFinite);
    const scale = finite.reduce((most, each) => Math.max(most, Math.abs(each)), 0);
    const unit = ROUNDING[wanted.dtype === 'f64' ? 'f64' : 'f32'];
    const allowed = wanted.dtype === 'i32' ? 0 : this.tolerance * times * unit * scale;
    const wrong = x.data.findIndex((each: number, i: number) =>
      !Object.is(each, wanted.data[i]) && !(Math.abs(each - wanted.data[i]) <= allowed));
    if (wrong < 0) return;
    throw new Difference(
      `${name}[${placeOf(wrong, x.shape)}] is ${x.data[wrong]}, expected ${wanted.data[wrong]}, ` +
        `give or take ${allowed.toPrecision(2)}`,
      inColumns({
        found: showNumbers(Array.from(x.data), x.shape),
        expected: showNumbers(Array.from(wanted.data), wanted.shape),
      }),
    );
  }

  /** The gradients of all parameters, and of x if it has any, of a sum of results. */
  gradients(x: Tensor, results: Leaves): Leaves {
    const losses = [...results.values()].filter(({ requiresGrad }) => requiresGrad).map((each) => {
      const weights = Array.from({ length: each.numel }, (_, i) => Math.cos(1 + 2.7 * i) + 0.1);
      return each.mul(tensor(weights, { shape: each.shape, dtype: each.dtype })).sum();
    });
    if (losses.length === 0) throw new Difference('the results of scan do not require gradients');
    const parameters = [...(this.model.parameters?.() ?? []), ...(x.requiresGrad ? [x] : [])];
    const loss = losses.reduce((sum, each) => sum.add(each));
    const gradients = grad(loss, parameters, { allowUnused: true });
    return new Map(gradients.map((gradient, i) => {
      const name = i === gradients.length - 1 && x.requiresGrad ? 'x' : `parameter ${i}`;
      return [`the gradient of ${name}`, gradient ?? parameters[i].detach().mul(0)];
    }));
  }
}

function requireResults(op: string, given: unknown): RecurrentResults<unknown> {
  const { y, state } = (given ?? {}) as Partial<RecurrentResults<unknown>>;
  if (y instanceof Tensor && state !== undefined) return { y, state };
  throw new Difference(`${op} gave ${show(given)}, expected { y, state } with a tensor y`);
}
