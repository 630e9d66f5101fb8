/**
 * A warning for functions that are compiled again and again. Each program takes a while to make, so
 * when there are many, the arguments of the latest ones are compared, part by part:
 *
 *     step(f32[2, 17], 0)  step(f32[2, 23], 1)  …     argument 0: 8 shapes, argument 1: 8 values
 *
 * Shapes should be padded to fewer, and numbers passed as tensors.
 */
import { warn } from '../../core/host.ts';
import { show } from '../../core/options.ts';
import { describe, type Shape } from '../../core/shape.ts';
import { Tensor } from '../../core/tensor.ts';

/** From this many programs on, a function is probably called with something that always changes. */
export const MANY_PROGRAMS = 8;
/** With so many calls for each program, the time in which they were made does not matter. */
const MANY_CALLS = 20;
/** Sizes that are all multiples of this, or of more, were padded. */
const LEAST_MULTIPLE = 8;
/** The most parts of arguments that a warning names, and of their kinds. */
const MOST_NAMED = 3;

/** A tensor or another value in the arguments of a call, as it decides on the program. */
interface Part {
  readonly text: string;
  /** Its shape, if it is a tensor. */
  readonly shape: Shape | undefined;
}

/** All parts of the arguments, by where they are: `argument 1.mask`. */
function partsOf(args: readonly unknown[]): Map<string, Part> {
  const parts = new Map<string, Part>();
  const visit = (value: unknown, where: string): void => {
    if (value instanceof Tensor) {
      const more = value.requiresGrad ? ' with requiresGrad' : '';
      parts.set(where, { text: `${describe(value)}${more}`, shape: value.shape });
    } else if (typeof value === 'object' && value !== null) {
      const nameOf = (key: string): string => (Array.isArray(value) ? `[${key}]` : `.${key}`);
      for (const [key, part] of Object.entries(value)) visit(part, `${where}${nameOf(key)}`);
    } else {
      parts.set(where, { text: show(value), shape: undefined });
    }
  };
  args.forEach((arg, number) => visit(arg, `argument ${number}`));
  return parts;
}

/** A place in the arguments, and the different parts that calls had there. */
interface Variation {
  readonly where: string;
  readonly kinds: readonly Part[];
}

/** The places that had the most different parts, those with the most first. */
function variationsOf(calls: readonly ReadonlyMap<string, Part>[]): Variation[] {
  const places = new Set(calls.flatMap((parts) => [...parts.keys()]));
  const all = Array.from(places, (where): Variation => {
    const kinds = calls.flatMap((parts) => parts.get(where) ?? []);
    return { where, kinds: [...new Map(kinds.map((part) => [part.text, part])).values()] };
  });
  const varied = all.filter(({ kinds }) => kinds.length > 1);
  varied.sort((a, b) => b.kinds.length - a.kinds.length);
  return varied.filter(({ kinds }) => 2 * kinds.length >= varied[0].kinds.length);
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b);
}

/** Whether these are shapes whose sizes differ by multiples: the user has padded them already. */
function isPadded({ kinds }: Variation): boolean {
  const shapes = kinds.flatMap(({ shape }) => (shape ? [shape] : []));
  const [first] = shapes;
  if (shapes.length < kinds.length) return false;
  if (shapes.some(({ length }) => length !== first.length)) return false;
  return first.every((_, axis) => {
    const sizes = new Set(shapes.map((shape) => shape[axis]));
    return sizes.size === 1 || [...sizes].reduce(greatestDivisor, 0) >= LEAST_MULTIPLE;
  });
}

function areShapes({ kinds }: Variation): boolean {
  return kinds.every(({ shape }) => shape !== undefined);
}

/** The part of a warning that says what changes, and what to do about it. */
function adviceOn(variations: readonly Variation[]): string {
  if (variations.length === 0) {
    return 'for the same arguments, but other settings that it reads: whether modules train, ' +
      'whether tensors require gradients, or a `grad` that is another one at each call; keep ' +
      'them as they are, or set them in the function';
  }
  const named = variations.slice(0, MOST_NAMED).map((variation) => {
    const { where, kinds } = variation;
    const examples = kinds.slice(0, MOST_NAMED).map(({ text }) => text);
    if (kinds.length > MOST_NAMED) examples.push('…');
    const what = areShapes(variation) ? 'shapes' : 'values';
    return `${kinds.length} ${what} of ${where} (${examples.join(', ')})`;
  });
  const advice = [
    variations.some(areShapes) ? PAD : [],
    variations.every(areShapes) ? [] : 'pass a number that changes as a tensor',
  ].flat();
  return `for ${named.join(' and ')}; ${advice.join(', and ')}`;
}

const PAD =
  'pad to a few lengths (`padToMultipleOf` of collate and `bucketBy` of DataLoader do so for data)';

/** Watches how often a function is called and compiled, and warns if that is too often. */
export class VariantWatch {
  /** How often it has been called. */
  calls = 0;
  #programs = 0;
  #remade = 0;
  readonly #name: string;
  readonly #most: number;
  /** The arguments of the latest programs; undefined when the warning was given. */
  #latest: Map<string, Part>[] | undefined = [];

  /** Watches a function of which at most so many programs are kept. */
  constructor(name: string, most: number) {
    this.#name = name || 'a function';
    this.#most = most;
  }

  /** A program was made for these arguments; `wasDropped` if there was one, and it is gone. */
  note(args: readonly unknown[], wasDropped: boolean): void {
    if (wasDropped) return this.#noteRemade();
    this.#programs += 1;
    if (this.#latest === undefined) return;
    this.#latest = [...this.#latest, partsOf(args)].slice(-MANY_PROGRAMS);
    const areFew = this.#programs < MANY_PROGRAMS || this.calls >= MANY_CALLS * this.#programs;
    const variations = variationsOf(this.#latest);
    if (areFew || (variations.length > 0 && variations.every(isPadded))) return;
    this.#latest = undefined;
    warn(`compile: ${this.#name} has been compiled ${this.#programs} times, ` +
      adviceOn(variations));
  }

  #noteRemade(): void {
    this.#remade += 1;
    if (this.#remade !== MANY_PROGRAMS) return;
    warn(`compile: ${this.#name} is called with more kinds of arguments in turn than programs ` +
      `are kept, ${this.#most}, so they are made again and again; ${PAD}, or set maxPrograms to ` +
      'more');
  }
}
