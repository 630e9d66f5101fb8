/**
 * What is stored, and what is not. The lowering of an op says what an element of its result is in
 * terms of elements of its inputs, so a value can be computed wherever one of its elements is
 * needed, and need not lie in memory:
 *
 *     y = exp(x).mul(2)        y[i] = exp(x[i]) * 2, and exp(x) is nowhere
 *
 * Called stored is what is not written out like this: what is asked for as a whole (results, state,
 * what a reference loop reads), what folds and kernels make, and what would otherwise be computed
 * more than once. It may get away with a register, if all that reads it joins its group.
 */
import type * as k from '@mambagrad/kernel';
import { type CheckedLowering, checkLowerings } from '../../core/checkLowering.ts';
import { broadcastIndex, type Elements, flatIndex } from '../../core/lowering.ts';
import { numelOf } from '../../core/shape.ts';
import { dropUnused } from '../passes/simplify.ts';
import { endsOf, type Program, type Step, type Value } from '../trace/trace.ts';

/** Gives the element of a memory that is so far in. */
export type Leaf = (storage: Value, place: k.Operand) => k.Expr;

/** What there is under a name in those types of several that have it. */
type Part<T, Name> = T extends unknown ? (Name extends keyof T ? T[Name] : never) : never;
type NameIn<T> = T extends unknown ? keyof T : never;

/** A lowering of any kind; what only others have is undefined. */
export type AnyLowering = {
  readonly [Name in NameIn<CheckedLowering>]?: Part<CheckedLowering, Name> | undefined;
};

/** An expression of more ops and loads than this is stored, and others start from there. */
const LONGEST = 32;

/** What a kernel reads at most: a function has up to 1000 parameters. */
const MOST_READ = 500;

function count(counts: Map<Value, number>, value: Value, times: number): void {
  counts.set(value, (counts.get(value) ?? 0) + times);
}

export class Network {
  /** Of an op whose results are computed each by itself there is a step for each that is used. */
  readonly steps: readonly Step[];
  /** The steps that make values. */
  readonly makers: ReadonlyMap<Value, Step>;
  /** How many stored steps, results and new states read a value that is stored. */
  readonly readers: Map<Value, number> = new Map();
  readonly #lowerings = new Map<Value, AnyLowering>();
  readonly #stored = new Set<Value>();
  readonly #constants: ReadonlyMap<Value, k.Expr>;

  constructor(program: Program, constants: ReadonlyMap<Value, k.Expr>, inline: boolean) {
    const lowered = program.steps.flatMap((step) => this.#lower(step));
    this.steps = dropUnused({ ...program, steps: lowered }).steps;
    this.makers = new Map(
      this.steps.flatMap((step) => step.outputs.map((output) => [output, step])),
    );
    this.#constants = constants;
    for (const value of endsOf(program)) this.#store(value);
    if (!inline) for (const { outputs } of this.steps) for (const one of outputs) this.#store(one);
    const uses = new Map<Value, number>();
    for (const step of this.steps.toReversed()) this.#decide(step, uses);
    this.#storeLong();
    this.#countReaders(program);
  }

  /** Notes how a step is said in the loop language, and splits it if each result is by itself. */
  #lower(step: Step): Step[] {
    const { primitive, attributes, inputs, outputs } = step;
    const isLowerable =
      inputs.length <= MOST_READ && [...inputs, ...outputs].every(({ dtype }) => dtype !== 'f64');
    const given = isLowerable ? primitive.lower?.(inputs, attributes, outputs) : undefined;
    if (given === undefined) return [step];
    const lowerings = checkLowerings(primitive.name, inputs, outputs, given);
    outputs.forEach((output, i) => this.#lowerings.set(output, lowerings[i]));
    const isSplit = outputs.length > 1 && Array.isArray(given);
    return isSplit ? outputs.map((output) => ({ ...step, outputs: [output] })) : [step];
  }

  /** Stores what would take too many ops and loads, where it is needed, to be computed there. */
  #storeLong(): void {
    const sizes = new Map<Value, number>();
    for (const { inputs, outputs } of this.steps) {
      const size = inputs.reduce((sum, input) => sum + (sizes.get(input) ?? 1), 1);
      if (size > MOST_READ) for (const input of inputs) this.#store(input);
      for (const output of outputs) {
        if (size > LONGEST) this.#store(output);
        sizes.set(output, this.isStored(output) ? 1 : size);
      }
    }
  }

  /** How the step that makes a value is said in the loop language. */
  lowering(value: Value): AnyLowering | undefined {
    return this.#lowerings.get(value);
  }

  isStored(value: Value): boolean {
    return value.from !== 'step' || this.#stored.has(value);
  }

  /** What a value is without the moves that were made to it. */
  sourceOf(value: Value): Value {
    const maker = this.makers.get(value);
    const isMoved = !this.isStored(value) && this.#lowerings.get(value)?.move;
    return maker && isMoved ? this.sourceOf(maker.inputs[0]) : value;
  }

  /** Whether a value is another look at the memory of its maker's input, or a part of it. */
  isView(value: Value): boolean {
    return this.#stored.has(value) && this.#offsetIn(value) !== undefined;
  }

  /** The value in whose memory a stored value lies. */
  storageOf(value: Value): Value {
    const maker = this.makers.get(value);
    return maker && this.isView(value) ? this.storageOf(maker.inputs[0]) : value;
  }

  /** How many elements into that memory it starts. */
  offsetOf(value: Value): number {
    const maker = this.makers.get(value);
    if (maker === undefined || !this.isView(value)) return 0;
    return (this.#offsetIn(value) ?? 0) + this.offsetOf(maker.inputs[0]);
  }

  #offsetIn(value: Value): number | undefined {
    const lowering = this.#lowerings.get(value);
    if (lowering?.move) return lowering.offset;
    return this.makers.get(value)?.primitive.sharesData ? 0 : undefined;
  }

  #store(value: Value): void {
    this.#stored.add(value);
    const maker = this.makers.get(value);
    if (maker && this.#offsetIn(value) !== undefined) this.#store(maker.inputs[0]);
  }

  /**
   * Decides about the result of a step, when all that use it have asked for what they need: in
   * `uses`, how often each element would be computed. Then notes what that means for its inputs.
   * Of several results, which one kernel or a reference loop makes, all are stored.
   */
  #decide({ outputs, inputs }: Step, uses: Map<Value, number>): void {
    const [output] = outputs;
    const own = uses.get(output) ?? 0;
    const lowering = this.#lowerings.get(output);
    const isFree = lowering?.move || (lowering?.isCheap && this.#isMadeElsewhere(inputs[0]));
    const isInline = isFree || lowering?.map || lowering?.element;
    if (!isInline || (!isFree && own > 1)) for (const one of outputs) this.#store(one);
    const times = this.#stored.has(output) ? 1 : own;
    if (lowering === undefined || this.isView(output)) {
      for (const input of inputs) this.#store(input);
      return;
    }
    for (const input of new Set(inputs)) {
      // What is read in several places counts as used more than once.
      const isRepeated = numelOf(input.shape) < numelOf(output.shape);
      const isAnywhere = lowering.kernel || (lowering.element && !isFree);
      count(uses, input, isRepeated || isAnywhere ? Math.max(times, 2) : times);
    }
  }

  /** Whether all there is to an element is to load it, given that moves cost nothing. */
  #isMadeElsewhere(value: Value): boolean {
    for (let source = value; ;) {
      const [maker, lowering] = [this.makers.get(source), this.#lowerings.get(source)];
      if (!maker || !lowering?.move) return !(lowering?.map || lowering?.element);
      source = maker.inputs[0];
    }
  }

  /** A step, and before it those whose results are nowhere, and are computed on the way. */
  stepsOf(step: Step, found: Set<Step> = new Set()): Set<Step> {
    for (const input of step.inputs) {
      const maker = this.makers.get(input);
      if (maker && !this.isStored(input)) this.stepsOf(maker, found);
    }
    return found.add(step);
  }

  /** The stored values that a step reads, itself or through what is computed on the way. */
  readsOf(step: Step): Set<Value> {
    const inputs = Array.from(this.stepsOf(step)).flatMap((each) => each.inputs);
    const read = inputs.filter((input) => this.isStored(input) && !this.#constants.has(input));
    return new Set(read.map((input) => this.storageOf(input)));
  }

  #countReaders(program: Program): void {
    const made = this.steps.filter(
      ({ outputs: [output] }) => this.isStored(output) && !this.isView(output),
    );
    const read = [
      ...endsOf(program).map((value) => this.storageOf(value)),
      ...made.flatMap((step) => [...this.readsOf(step)]),
    ];
    for (const value of read) count(this.readers, value, 1);
  }

  /** A value as its elements: loaded where it is stored, else computed. */
  elements(value: Value, leaf: Leaf): Elements {
    const { shape, dtype } = value;
    const constant = this.#constants.get(value);
    if (constant) return { shape, dtype, at: () => constant };
    return this.isStored(value) ? this.#loaded(value, leaf) : this.computed(value, leaf);
  }

  #loaded(value: Value, leaf: Leaf): Elements {
    const { shape, dtype } = value;
    const [storage, offset] = [this.storageOf(value), this.offsetOf(value)];
    return { shape, dtype, at: (index) => leaf(storage, flatIndex(index, shape, offset)) };
  }

  /** The elements of a value, computed from its maker's inputs even if it is stored. */
  computed(value: Value, leaf: Leaf): Elements {
    const { shape, dtype } = value;
    const maker = this.makers.get(value);
    const { move, element, map } = this.#lowerings.get(value) ?? {};
    if (maker === undefined) return this.#loaded(value, leaf);
    const different = [...new Set(maker.inputs)];
    const elements = different.map((input) => this.elements(input, leaf));
    const places = maker.inputs.map((input) => different.indexOf(input));
    const made = (at: Elements['at']): Elements => ({ shape, dtype, at });
    if (move) return made((index) => elements[0].at(move(index)));
    if (element) {
      const inputs = places.map((place) => elements[place]);
      return made((index) => element(index, ...inputs));
    }
    if (!map) return this.#loaded(value, leaf);
    return made((index) => {
      const operands = elements.map((input) => input.at(broadcastIndex(index, input.shape)));
      return map(...places.map((place) => operands[place]));
    });
  }
}
