/**
 * A program in the making: values, each an input or the result of a step before it. Steps are
 * computed as they are added, in float64, so that the next one can be chosen by the shapes and
 * sizes at hand; afterwards `replay` runs them on other inputs.
 */
import { listOps, ops, type Shape, Tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import {
  type Draw,
  drawBroadcastable,
  drawIndices,
  drawInteger,
  drawShape,
  drawTensor,
} from './draw.ts';

/** An op called with tensors of the program, constants, numbers, and lists and records of these. */
export type Call = (...args: unknown[]) => unknown;

/** Every op of the table, by name. */
export const table = { ...ops, ...listOps } as unknown as Readonly<Record<string, Call>>;

interface Step {
  readonly call: Call;
  /**
   * A tensor that the program computed stands for the value that it has in the run, any other f64
   * tensor for a constant of the dtype of the run, and the word f64 for that dtype.
   */
  readonly args: readonly unknown[];
  /** Which of several results this is: the index in a list, the name in a record. */
  readonly part: string | undefined;
  readonly result: Tensor;
}

type Accepts = (x: Tensor) => boolean;

/** Larger values are scaled down, so that no chain of steps grows without bound. */
const LARGEST = 3;

/** Values with more elements than this are not used further. */
const MOST_ELEMENTS = 128;

export class Sketch {
  readonly g: Draw;
  readonly inputs: Tensor[] = [];
  readonly #steps: Step[] = [];
  readonly #listing: string[] = [];
  /** Every value with its name, in the order in which they came to be. */
  readonly #names = new Map<unknown, string>();
  readonly #used = new Set<unknown>();

  constructor(g: Draw) {
    this.g = g;
  }

  addInput(shape: Shape): void {
    const x = drawTensor(this.g, shape);
    this.inputs.push(x);
    this.#listing.push(`${this.#name(x)} = input  ${describe(x)}`);
  }

  /**
   * Adds the step `op(...args)` and gives its result, scaled down by a further step if it is large.
   * Of several results one is drawn. A `call` takes the place of the op of that name.
   */
  step(op: string, args: readonly unknown[], call: Call = table[op]): Tensor {
    const text = `${op}(${args.map((arg) => this.#show(arg)).join(', ')})`;
    const line = this.#listing.push(`${text}  throws`) - 1;
    const found = call(...args);
    const part = found instanceof Tensor ? undefined : this.#drawPart(found);
    const result = partOf(found, part);
    if (result.dtype === 'f32') throw new Error(`${op} turned f64 into ${describe(result)}`);
    this.#steps.push({ call, args, part, result });
    const suffix = part === undefined ? '' : `.${part}`;
    this.#listing[line] = `${this.#name(result)} = ${text}${suffix}  ${describe(result)}`;
    const size = Math.max(0, ...Array.from(result.data, Math.abs));
    if (result.dtype === 'i32' || !(size > LARGEST && size < Infinity)) return result;
    return this.step('mul', [result, 2 ** -Math.ceil(Math.log2(size / LARGEST))]);
  }

  /** A value of floating dtype that is accepted; if there is none, one of the shape `otherwise`. */
  pick(accepts: Accepts = () => true, otherwise?: () => Shape): Tensor {
    return this.pickAny((x) => x.dtype === 'f64' && accepts(x), otherwise);
  }

  /** A value of any dtype that is accepted; if there is none, one of the shape `otherwise`. */
  pickAny(accepts: Accepts = () => true, otherwise?: () => Shape): Tensor {
    const candidates = this.#values().filter((x) => x.numel <= MOST_ELEMENTS && accepts(x));
    const { g } = this;
    if (candidates.length === 0) {
      const few = { minRank: 1, maxRank: 2, empty: false };
      return this.fit(otherwise ? otherwise() : drawShape(g, few));
    }
    // The newest more often, so that programs become deep as well as wide.
    const among = g(fc.boolean) ? candidates : candidates.slice(-3);
    return among[drawInteger(g, 0, among.length - 1)];
  }

  /** A value of exactly this shape. */
  pickShaped(shape: Shape): Tensor {
    return this.pick((x) => `${x.shape}` === `${shape}`, () => shape);
  }

  /** Elements of a value, drawn, in the given shape. */
  fit(shape: Shape): Tensor {
    const x = this.pick((candidate) => candidate.numel > 0);
    const index = drawIndices(this.g, shape, x.numel);
    return this.step('indexSelect', [this.step('flatten', [x]), 0, index]);
  }

  /** A condition that broadcasts to the shape: a value of the program, or a constant. */
  condition(shape: Shape): Tensor {
    const masks = this.#values().filter((x) => x.dtype === 'i32' && broadcastsTo(x.shape, shape));
    if (masks.length > 0 && this.g(fc.boolean)) {
      return masks[drawInteger(this.g, 0, masks.length - 1)];
    }
    return drawIndices(this.g, drawBroadcastable(this.g, shape), 2);
  }

  /** x brought between 0.5 and 1.5. */
  positive(x: Tensor): Tensor {
    return this.step('add', [this.step('sigmoid', [x]), 0.5]);
  }

  /** x brought between −0.8 and 0.8. */
  bounded(x: Tensor): Tensor {
    return this.step('mul', [this.step('tanh', [x]), 0.8]);
  }

  /** Of the results that no step uses, the last and most others: some work is for nothing. */
  drawOutputs(): Tensor[] {
    const unused = this.#steps.map(({ result }) => result).filter((x) => !this.#used.has(x));
    const last = this.#steps.slice(-1).map(({ result }) => result);
    return [...new Set([...unused.filter(() => drawInteger(this.g, 0, 7) > 0), ...last])];
  }

  /** The outputs as the steps compute them from other inputs, all of one floating dtype. */
  replay(inputs: readonly Tensor[], outputs: readonly Tensor[]): Tensor[] {
    const { dtype } = inputs[0];
    const current = new Map<unknown, Tensor>(this.inputs.map((input, i) => [input, inputs[i]]));
    const resolve = (arg: unknown): unknown => {
      if (arg === 'f64') return dtype;
      if (arg instanceof Tensor) {
        return current.get(arg) ?? (arg.dtype === 'f64' ? arg.cast(dtype) : arg);
      }
      if (Array.isArray(arg)) return arg.map(resolve);
      if (typeof arg !== 'object' || arg === null) return arg;
      return Object.fromEntries(Object.entries(arg).map(([key, value]) => [key, resolve(value)]));
    };
    for (const { call, args, part, result } of this.#steps) {
      current.set(result, partOf(call(...args.map(resolve)), part));
    }
    return outputs.map((output) => current.get(output) ?? output);
  }

  /** A line for each value. */
  listing(outputs: readonly Tensor[]): string {
    const names = outputs.map((output) => this.#names.get(output));
    return [...this.#listing, `outputs ${names.join(', ')}`].join('\n');
  }

  #values(): Tensor[] {
    return [...this.#names.keys()].filter((value) => value instanceof Tensor);
  }

  /** The name of a value, a new one unless a step gave back what it got. */
  #name(value: Tensor): string {
    const name = this.#names.get(value) ?? `%${this.#names.size}`;
    this.#names.set(value, name);
    return name;
  }

  #drawPart(results: unknown): string {
    const parts = Object.keys(Object(results));
    return parts[drawInteger(this.g, 0, parts.length - 1)];
  }

  /** An argument as the listing shows it, marking the values in it as used. */
  #show(arg: unknown): string {
    const name = this.#names.get(arg);
    if (name !== undefined) this.#used.add(arg);
    if (name !== undefined) return name;
    if (arg instanceof Tensor) {
      return arg.dtype === 'i32' ? `${describe(arg)} {${arg.data.join(', ')}}` : describe(arg);
    }
    if (Array.isArray(arg)) return `[${arg.map((each) => this.#show(each)).join(', ')}]`;
    if (typeof arg !== 'object' || arg === null) return String(arg);
    const entries = Object.entries(arg).map(([key, value]) => `${key}: ${this.#show(value)}`);
    return `{ ${entries.join(', ')} }`;
  }
}

function partOf(results: unknown, part: string | undefined): Tensor {
  const result = part === undefined ? results : (results as Record<string, unknown>)[part];
  if (!(result instanceof Tensor)) throw new Error(`expected a tensor, got ${String(result)}`);
  return result;
}

function describe({ dtype, shape }: Tensor): string {
  return `${dtype}[${shape.join(', ')}]`;
}

/** Whether shapes broadcast: from the last axis on, sizes are equal or 1. */
export function broadcasts(a: Shape, b: Shape): boolean {
  return a.every((size, axis) => {
    const other = b[axis + b.length - a.length] ?? 1;
    return size === other || size === 1 || other === 1;
  });
}

/** Whether the first shape broadcasts to the second. */
export function broadcastsTo(a: Shape, b: Shape): boolean {
  const missing = b.length - a.length;
  return missing >= 0 && a.every((size, axis) => size === 1 || size === b[axis + missing]);
}
