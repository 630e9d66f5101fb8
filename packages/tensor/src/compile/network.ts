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
import {
  broadcastIndex, type Elements, flatIndex, type Lowering,
} from '../lowering.ts';
import { numelOf } from '../shape.ts';
import { endsOf, type Program, type Step, type Value } from './trace.ts';

/** Gives the element of a memory that is so far in. */
export type Leaf = (storage: Value, place: k.Operand) => k.Value;

/** An expression of more ops and loads than this is stored, and others start from there. */
const LONGEST = 32;

/** What a kernel reads at most: a function has up to 1000 parameters. */
const MOST_READ = 500;

export class Network {
  readonly makers: ReadonlyMap<Value, Step>;
  /** How many steps and results read a value that is stored. */
  readonly readers: Map<Value, number> = new Map();
  readonly #lowerings = new Map<Step, Lowering | undefined>();
  readonly #stored = new Set<Value>();
  readonly #constants: ReadonlyMap<Value, k.Value>;

  constructor(program: Program, constants: ReadonlyMap<Value, k.Value>, inline: boolean) {
    this.makers = new Map(program.steps.map((step) => [step.output, step]));
    this.#constants = constants;
    for (const step of program.steps) {
      const { primitive, attributes, inputs, output } = step;
      const isLowerable =
        inputs.length <= MOST_READ && [...inputs, output].every(({ dtype }) => dtype !== 'f64');
      const lowering = isLowerable ? primitive.lower?.(inputs, attributes, output) : undefined;
      this.#lowerings.set(step, lowering);
    }
    const uses = new Map<Value, number>();
    const use = (value: Value, times: number): void => {
      uses.set(value, (uses.get(value) ?? 0) + times);
    };
    for (const value of endsOf(program)) this.#store(value);
    if (!inline) for (const { output } of program.steps) this.#store(output);
    for (const step of program.steps.toReversed()) {
      this.#decide(step, uses.get(step.output) ?? 0, use);
    }
    // How many ops and loads an element takes where it is needed.
    const sizes = new Map<Value, number>();
    for (const { inputs, output } of program.steps) {
      const size = inputs.reduce((sum, input) => sum + (sizes.get(input) ?? 1), 1);
      if (size > MOST_READ) for (const input of inputs) this.#store(input);
      if (size > LONGEST) this.#store(output);
      sizes.set(output, this.isStored(output) ? 1 : size);
    }
    this.#countReaders(program);
  }

  lowering(step: Step): Lowering | undefined {
    return this.#lowerings.get(step);
  }

  /** The step that makes a value, if there is one. */
  maker(value: Value): Step | undefined {
    return this.makers.get(value);
  }

  isStored(value: Value): boolean {
    return value.from !== 'step' || this.#stored.has(value);
  }

  /** What a value is without the moves that were made to it. */
  sourceOf(value: Value): Value {
    const maker = this.makers.get(value);
    const lowering = maker && this.#lowerings.get(maker);
    if (maker === undefined || this.isStored(value)) return value;
    return lowering && 'move' in lowering ? this.sourceOf(maker.inputs[0]) : value;
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
    const maker = this.makers.get(value);
    const lowering = maker && this.#lowerings.get(maker);
    if (lowering && 'move' in lowering) return lowering.offset;
    return maker?.primitive.sharesData ? 0 : undefined;
  }

  #store(value: Value): void {
    this.#stored.add(value);
    const maker = this.makers.get(value);
    if (maker?.primitive.sharesData) this.#store(maker.inputs[0]);
  }

  /**
   * Decides about the result of a step, when all that use it have asked for what they need; `uses`
   * is how often each element would be computed. Then notes what that means for the step's inputs.
   */
  #decide(step: Step, uses: number, use: (value: Value, times: number) => void): void {
    const { output, inputs } = step;
    const lowering = this.#lowerings.get(step);
    const isFree = lowering !== undefined && ('move' in lowering || this.#isCheap(step, lowering));
    const isInline = isFree || (lowering && ('map' in lowering || 'element' in lowering));
    if (!isInline || (!isFree && uses > 1)) this.#store(output);
    const times = this.#stored.has(output) ? 1 : uses;
    if (lowering === undefined || this.isView(output)) {
      for (const input of inputs) this.#store(input);
      return;
    }
    for (const input of new Set(inputs)) {
      // What is read in several places counts as used more than once.
      const isRepeated = numelOf(input.shape) < numelOf(output.shape);
      const isAnywhere = 'kernel' in lowering || ('element' in lowering && !isFree);
      use(input, isRepeated || isAnywhere ? Math.max(times, 2) : times);
    }
  }

  /** Whether an element costs no more than to load it, given that moves cost nothing. */
  #isCheap({ inputs }: Step, lowering: Lowering): boolean {
    if (!('element' in lowering) || !lowering.isCheap) return false;
    let source: Value = inputs[0];
    for (;;) {
      const maker = this.makers.get(source);
      const made = maker && this.#lowerings.get(maker);
      if (maker === undefined || made === undefined) return true;
      if (!('move' in made)) return 'fold' in made || 'kernel' in made;
      source = maker.inputs[0];
    }
  }

  /** The stored values that a step reads, itself or through what is computed on the way. */
  readsOf(step: Step, found: Set<Value> = new Set()): Set<Value> {
    for (const input of step.inputs) {
      const maker = this.makers.get(input);
      if (this.isStored(input) || maker === undefined) found.add(this.storageOf(input));
      else this.readsOf(maker, found);
    }
    for (const value of this.#constants.keys()) found.delete(value);
    return found;
  }

  #countReaders(program: Program): void {
    const made = program.steps.filter(({ output }) => this.isStored(output) && !this.isView(output));
    const read = [
      ...endsOf(program).map((value) => this.storageOf(value)),
      ...made.flatMap((step) => [...this.readsOf(step)]),
    ];
    for (const value of read) this.readers.set(value, (this.readers.get(value) ?? 0) + 1);
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
    const lowering = maker && this.#lowerings.get(maker);
    if (maker === undefined || lowering === undefined) return this.#loaded(value, leaf);
    const different = [...new Set(maker.inputs)];
    const elements = different.map((input) => this.elements(input, leaf));
    const places = maker.inputs.map((input) => different.indexOf(input));
    const made = (at: Elements['at']): Elements => ({ shape, dtype, at });
    if ('move' in lowering) return made((index) => elements[0].at(lowering.move(index)));
    if ('element' in lowering) {
      const inputs = places.map((place) => elements[place]);
      return made((index) => lowering.element(index, ...inputs));
    }
    if (!('map' in lowering)) return this.#loaded(value, leaf);
    return made((index) => {
      const operands = elements.map((input) => input.at(broadcastIndex(index, input.shape)));
      return lowering.map(...places.map((place) => operands[place]));
    });
  }
}
