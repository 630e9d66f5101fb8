/**
 * A scan, defined by its step. The state of a row is advanced in place, and each step gives a y:
 *
 *     y_t = step(h, inputs of step t),   t = 0, 1, …   (or from the last to the first)
 *
 * Everything else follows: a reset clears h before the step, padding skips the step, and rows of a
 * batch have a state each. All of it is plain loops in float64, independent of the scans of this
 * package, so that neither can repeat a mistake of the other.
 */

/** The size of each axis by name, such as { batch: 2, length: 5, channels: 3 }. */
export type Sizes = Readonly<Record<string, number>>;

/** An input of a scan: its axes, and the numbers that make sense for it. */
export interface ScanInput {
  /**
   * The names of its axes. An input with an element for each step begins with 'batch', 'length';
   * one that all rows share has neither. A product of sizes is written 'groups*headsOfGroup'.
   */
  readonly axes: readonly string[];
  /** The least and the greatest number that is drawn. */
  readonly range: readonly [number, number];
  /** The same where states should hardly decay: decays from about 1 − 1e-2 up. Default `range`. */
  readonly slow?: readonly [number, number];
  /** Numbers that make decays 0, 1, or next to either; they are mixed into others. Default none. */
  readonly extreme?: readonly number[];
}

/** What a scan computes: its inputs, and one step of it in float64. */
export interface ScanReference<Name extends string = string> {
  /** Its name in reports: 'the linear recurrence'. */
  readonly name: string;
  /** The inputs by name. */
  readonly inputs: Readonly<Record<Name, ScanInput>>;
  /** The axes of y, which begin with 'batch', 'length'. */
  readonly y: readonly string[];
  /** The axes of the state, which begin with 'batch'. */
  readonly state: readonly string[];
  /**
   * Advances the state of one row in place and gives y of this step. Each input is its part for
   * this row and step; one that all rows share is given whole.
   */
  readonly step: (
    state: Float64Array, inputs: Readonly<Record<Name, Float64Array>>, sizes: Sizes,
  ) => ArrayLike<number>;
}

/** Inputs of a scan as float64, with flags and direction. */
export interface ScanCase {
  readonly sizes: Sizes;
  /** Every input, row-major. */
  readonly inputs: Readonly<Record<string, Float64Array>>;
  readonly initialState: Float64Array | undefined;
  /** [batch, length]; 1 where the past is dropped. */
  readonly reset: Int32Array | undefined;
  /** [batch, length]; 0 at padding. */
  readonly mask: Int32Array | undefined;
  readonly reverse: boolean;
  /** A number of steps, from 0 to the length: where a property cuts the sequence or changes it. */
  readonly at: number;
  /** From which a property draws what else it needs. */
  readonly seed: number;
}

/** Results of a scan as float64. */
export interface ScanValues {
  readonly y: Float64Array;
  /** Undefined where a candidate does not give it. */
  readonly lastState: Float64Array | undefined;
}

/** The size of an axis, which may be a product: 'groups*headsOfGroup'. */
export function sizeOf(axis: string, sizes: Sizes): number {
  return axis.split('*').reduce((product, factor) => product * sizes[factor], 1);
}

/** The sizes of axes. */
export function shapeOf(axes: readonly string[], sizes: Sizes): number[] {
  return axes.map((axis) => sizeOf(axis, sizes));
}

/** How many numbers an array with these axes holds. */
export function countOf(axes: readonly string[], sizes: Sizes): number {
  return axes.reduce((count, axis) => count * sizeOf(axis, sizes), 1);
}

/** Whether an input has an element for each step. */
export function hasSteps({ axes }: ScanInput): boolean {
  return axes[1] === 'length';
}

/** The names of sizes that a reference uses, 'batch' and 'length' first. */
export function sizeNames({ inputs, y, state }: ScanReference): string[] {
  const axes = [...Object.values(inputs).flatMap((input) => input.axes), ...y, ...state];
  return [...new Set(['batch', 'length', ...axes.flatMap((axis) => axis.split('*'))])];
}

/** Changes numbers in place, as rounding does. */
export type Disturb = (numbers: Float64Array) => void;

/** Runs a reference; `disturb` is applied to each new state and each y. */
export function evaluate(
  reference: ScanReference, given: ScanCase, disturb?: Disturb,
): { readonly y: Float64Array; readonly lastState: Float64Array } {
  const { sizes, initialState, reset, mask, reverse } = given;
  const { batch, length } = sizes;
  const y = new Float64Array(countOf(reference.y, sizes));
  const lastState = new Float64Array(countOf(reference.state, sizes));
  if (initialState) lastState.set(initialState);
  const [width, stateSize] = [y.length / (batch * length), lastState.length / batch];
  const inputsAt = stepsOf(reference, given);
  for (let row = 0; row < batch; row++) {
    const state = lastState.subarray(row * stateSize, (row + 1) * stateSize);
    for (let i = 0; i < length; i++) {
      const at = row * length + (reverse ? length - 1 - i : i);
      if (mask?.[at] === 0) continue;
      if (reset && reset[at] !== 0) state.fill(0);
      const result = y.subarray(at * width, (at + 1) * width);
      result.set(reference.step(state, inputsAt(at), sizes));
      disturb?.(state);
      disturb?.(result);
    }
  }
  return { y, lastState };
}

/** Gives the inputs of a step, whose number is row · length + t. */
function stepsOf(reference: ScanReference, { sizes, inputs }: ScanCase) {
  const steps = sizes['batch'] * sizes['length'];
  const names = Object.keys(reference.inputs);
  const isStepwise = names.map((name) => hasSteps(reference.inputs[name]));
  return (at: number): Record<string, Float64Array> => {
    const found: Record<string, Float64Array> = {};
    names.forEach((name, i) => {
      const all = inputs[name];
      const width = all.length / steps;
      found[name] = isStepwise[i] ? all.subarray(at * width, (at + 1) * width) : all;
    });
    return found;
  };
}
