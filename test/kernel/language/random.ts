/** Random kernels: expressions, loops and branches over a few buffers, every access in bounds. */
import * as k from '@mambagrad/kernel';
import type { Buffer, Kernel, Statements, Expr, Variable } from '@mambagrad/kernel';
import fc from 'fast-check';
import { type Draw, drawInteger } from '../../support/draw.ts';
import type { Given } from './twins.ts';

/** As long as every index below needs, whatever is drawn. */
const LENGTH = 96;

const special = [
  0, -0, 1, -1, 0.5, -0.5, 1.5, 2.5, Infinity, -Infinity, NaN, 2 ** -149, 2 ** -126, 2 ** 24,
  2 ** 31, -(2 ** 31), 3.4028234663852886e38, 1e-30, 1e30,
];

export const anyFloat = (): fc.Arbitrary<number> =>
  fc.oneof(
    { weight: 2, arbitrary: fc.constantFrom(...special) },
    { weight: 3, arbitrary: fc.integer({ min: -64, max: 64 }).map((n) => n / 8) },
    { weight: 1, arbitrary: fc.float() },
  );

export const anyInteger = (): fc.Arbitrary<number> =>
  fc.oneof(
    { weight: 3, arbitrary: fc.integer({ min: -8, max: 8 }) },
    { weight: 1, arbitrary: fc.integer() },
  );

/** Numbers from a list of a few, in an order that a seed decides. */
function spread(few: readonly number[], seed: number): number[] {
  return Array.from({ length: LENGTH }, (_, i) => few[Math.abs(seed + i * i * 7) % few.length]);
}

const floats = () => fc.array(anyFloat(), { minLength: 9, maxLength: 9 });
const integers = () => fc.array(anyInteger(), { minLength: 9, maxLength: 9 });
const choice = (count: number) => fc.nat(count - 1);

const unary = [
  k.neg, k.abs, k.sqrt, k.floor, k.ceil, k.truncate, k.nearest, k.exp, k.log, k.tanh,
];
const binary = [k.add, k.sub, k.mul, k.div, k.min, k.max, k.minimum, k.maximum];
const comparisons = [k.equal, k.notEqual, k.less, k.lessEqual, k.greater, k.greaterEqual];
const integerBinary = [k.add, k.sub, k.mul, k.min, k.max, k.and, k.or, k.xor];
const shifts = [k.shiftLeft, k.shiftRight, k.shiftRightUnsigned];

export interface RandomKernel {
  readonly kernel: Kernel;
  readonly given: Given;
  /** What a failing test shows of it. */
  readonly [fc.toStringMethod]: () => string;
}

/** A kernel and what it is run on. */
export function randomKernels(): fc.Arbitrary<RandomKernel> {
  return fc.gen().map((g) => new Drawing(g).draw());
}

class Drawing {
  readonly #g: Draw;
  readonly #x = k.buffer('x', 'f32', LENGTH);
  readonly #n = k.buffer('n', 'i32', LENGTH, { at: 4096 });
  readonly #y = k.buffer('y', 'f32', LENGTH);
  readonly #m = k.buffer('m', 'i32', LENGTH);
  readonly #h = k.scratch('h', 'f32', LENGTH);
  readonly #a = k.variable('a', 'f32');
  readonly #b = k.variable('b', 'i32');
  readonly #variables: Variable[] = [this.#a, this.#b];
  /** Loop counters that are alive, outermost first, the last perhaps with four lanes. */
  readonly #counters: Expr[] = [];

  constructor(g: Draw) {
    this.#g = g;
  }

  draw(): RandomKernel {
    const [x, n, y, m] = [this.#x, this.#n, this.#y, this.#m];
    const body = [
      // Scratch memory starts with nothing that is defined.
      k.loop('i', LENGTH, (i) => k.store(this.#h, i, k.load(x, i))),
      this.#statements(3),
      k.loop('i', LENGTH, (i) => k.store(y, i, k.add(k.load(y, i), k.load(this.#h, i)))),
    ];
    const given = new Map<object, number[] | number>([
      [x, spread([...special, ...this.#g(floats)], 1)],
      [y, spread(this.#g(floats), 2)],
      [n, spread(this.#g(integers), 3)],
      [m, spread(this.#g(integers), 4)],
      [this.#a, Math.fround(this.#g(anyFloat))], [this.#b, this.#g(anyInteger)],
    ]);
    const kernel = k.kernel('random', [x, this.#a, y, this.#b, m], body);
    return { kernel, given, [fc.toStringMethod]: () => k.printKernel(kernel) };
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#g(choice, list.length)];
  }

  #statements(depth: number): Statements {
    const alive = this.#variables.length;
    const list = Array.from({ length: drawInteger(this.#g, 1, 3) }, () => this.#statement(depth));
    this.#variables.length = alive;
    return list;
  }

  #statement(depth: number): Statements {
    const inside = (i: Expr): Statements => {
      this.#counters.push(i);
      const body = this.#statements(depth - 1);
      this.#counters.pop();
      return body;
    };
    const inLanes = this.#counters.at(-1)?.type === 'i32x4';
    switch (drawInteger(this.#g, 0, depth > 0 ? 5 : 2)) {
      case 0:
        return k.store(this.#m, this.#index(), this.#integer(3));
      case 1: {
        const wide = ['f32', 'f32x4', 'i32x4'] as const;
        const type = this.#pick(inLanes ? wide : (['f32', 'i32'] as const));
        const isFloat = type.startsWith('f32');
        const value = isFloat ? this.#float(3) : this.#integer(3);
        const own = k.variable('v', type);
        const single = type.endsWith('x4') || value.type === type ? value : k.lane(value, 2);
        this.#variables.push(own);
        return k.set(own, single);
      }
      case 2:
        return k.store(this.#pick([this.#y, this.#h]), this.#index(), this.#float(3));
      case 3:
        if (inLanes) return [];
        return k.vectorized('i', this.#range(), inside);
      case 4:
        if (inLanes) return [];
        return k.loop('j', this.#range(), inside);
      default:
        return k.when(
          k.any(this.#mask(2)),
          this.#statements(depth - 1),
          this.#g(fc.boolean) ? this.#statements(depth - 1) : [],
        );
    }
  }

  /** Below 10 in all: known, as an argument says, or up to a loop outside. */
  #range(): k.Range {
    const outer = this.#counters.filter(({ type }) => type === 'i32');
    const from = drawInteger(this.#g, 0, 2);
    switch (drawInteger(this.#g, 0, 2)) {
      case 0:
        return { from, to: k.and(this.#b, 7) };
      case 1:
        return outer.length > 0 ? { from, to: k.add(this.#pick(outer), 1) } : 5;
      default:
        return drawInteger(this.#g, 0, 9);
    }
  }

  /** Neighbours, in reverse, with gaps, repeated, or from a list; from 0 to 95. */
  #index(): Expr {
    const i = this.#counters.at(-1) ?? k.constant('i32', 3);
    const outer = this.#counters[0]?.type === 'i32' ? this.#counters[0] : k.constant('i32', 2);
    switch (drawInteger(this.#g, 0, 4)) {
      case 0:
        return k.add(i, k.mul(outer, 9));
      case 1:
        return k.sub(40, k.add(k.mul(i, 2), outer));
      case 2:
        return k.add(k.mul(i, 5), drawInteger(this.#g, 0, 9));
      case 3:
        return k.add(k.sub(i, outer), 30);
      default:
        // The list may be what is being written.
        return k.add(k.and(k.load(this.#pick([this.#n, this.#m]), i), 31), i);
    }
  }

  #variable(kind: string, depth: number): Expr | undefined {
    const lanes = this.#counters.at(-1)?.type === 'i32x4' ? 'x4' : '';
    const fitting = this.#variables.filter(({ type }) => type === kind || type === kind + lanes);
    return fitting.length > 0 && depth >= 0 ? this.#pick(fitting) : undefined;
  }

  #float(depth: number): Expr {
    const inner = (): Expr => this.#float(depth - 1);
    switch (drawInteger(this.#g, 0, depth > 0 ? 9 : 2)) {
      case 0:
        return k.constant('f32', this.#g(anyFloat));
      case 1:
        return this.#variable('f32', depth) ?? this.#a;
      case 2: {
        const from: Buffer = this.#pick([this.#x, this.#y, this.#h]);
        return k.load(from, this.#g(fc.boolean) ? this.#index() : 7);
      }
      case 3:
        return this.#pick(unary)(inner());
      case 4:
      case 5:
        return this.#pick(binary)(inner(), inner());
      case 6:
        return k.mulAdd(inner(), inner(), inner());
      case 7:
        return k.select(this.#mask(depth - 1), inner(), inner());
      case 8:
        return this.#g(fc.boolean)
          ? k.toFloat(this.#integer(depth - 1))
          : k.fromBits(this.#integer(depth - 1));
      default: {
        // One value used twice, and lanes exchanged where there are some.
        const x = inner();
        if (!x.type.endsWith('x4')) return k.mul(x, x);
        const lanes = [0, 1, 2, 3].map(() => drawInteger(this.#g, 0, 7));
        const [p, q, r, s] = lanes;
        return k.sub(k.shuffle(x, k.splat(inner()), [p, q, r, s]), k.reduceLanes(k.add, x));
      }
    }
  }

  #integer(depth: number): Expr {
    const inner = (): Expr => this.#integer(depth - 1);
    switch (drawInteger(this.#g, 0, depth > 0 ? 7 : 3)) {
      case 0:
        return k.constant('i32', this.#g(anyInteger));
      case 1:
        return this.#variable('i32', depth) ?? this.#b;
      case 2:
        return k.load(this.#pick([this.#n, this.#m]), this.#index());
      case 3:
        return this.#counters.at(-1) ?? this.#b;
      case 4:
        return this.#pick(integerBinary)(inner(), inner());
      case 5:
        return this.#pick(shifts)(k.not(inner()), drawInteger(this.#g, 0, 31));
      case 6:
        return k.toInteger(this.#float(depth - 1));
      default: {
        const x = this.#float(depth - 1);
        // The bits of a NaN are not defined.
        return k.select(k.equal(x, x), k.toBits(x), inner());
      }
    }
  }

  #mask(depth: number): Expr {
    const compare = this.#pick(comparisons);
    switch (drawInteger(this.#g, 0, depth > 0 ? 4 : 1)) {
      case 0:
        return compare(this.#float(depth), this.#float(depth));
      case 1:
        return compare(this.#integer(depth), this.#integer(depth));
      case 2:
        return k.not(this.#mask(depth - 1));
      case 3:
        return k.any(this.#mask(depth - 1));
      default:
        return this.#pick([k.and, k.or, k.xor])(this.#mask(depth - 1), this.#mask(depth - 1));
    }
  }
}
