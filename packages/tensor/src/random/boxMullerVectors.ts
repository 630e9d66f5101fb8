/**
 * Normal numbers in WebAssembly: the functions of boxMuller.ts, operation by operation, for two
 * numbers at a time. Each operation is rounded to float64 as it is there, so the bits are the same.
 * (Kernels know no float64, so this is written for the assembler.)
 */
import {
  at, type Expression, f32x4, f64x2, forRange, type HostMemory, i32, i32x4, i8x16, type Local,
  Module, type Operand, set, type Statement, v128, words,
} from '@mambagrad/wasm';
import {
  CELL_SHIFT, CELLS, cosines, logs, logsOfPowers, reciprocals, sines, STEPS,
} from './boxMuller.ts';

/** The addresses of a block's numbers, in bytes. */
interface Addresses {
  /** The numbers whose logarithms are taken. */
  readonly a: number;
  /** The angles, and then the normal numbers. */
  readonly b: number;
  /** Where the steps of the angles are put. */
  readonly scratch: number;
  /** The first free byte: the tables are put there. */
  readonly end: number;
}

/** Makes the normal numbers of a block. */
export type NormalFunction = (mean: number, std: number) => void;

type Vector = Expression<'v128'>;
type Distances = readonly Expression<'i32'>[];

/** The tables: the reciprocals and logarithms of intervals, of powers, and cosines and sines. */
type Table = 'cells' | 'powers' | 'steps';

/** What the code of four numbers is made with. */
interface Context {
  readonly tableAt: Readonly<Record<Table, number>>;
  /** The distance of the numbers from the first numbers of the block, in bytes. */
  readonly i: Local<'i32'>;
  /** Sets a local variable to a value, and gives the variable. */
  keep<T extends 'i32' | 'v128'>(value: Expression<T>): Local<T>;
  /** Stores four numbers, in the array at an address. */
  store(to: number, value: Vector): void;
  /** A vector that is made once, before the loop; engines do not move it there. */
  fixed(value: Vector): Vector;
}

/**
 * Puts the tables into a memory, and compiles the function that makes numbers there, so many at a
 * time, a multiple of 4.
 */
export function normalVectors(
  memory: HostMemory, count: number, { a, b, scratch, end }: Addresses,
): NormalFunction {
  const tableAt = addTables(memory, end);
  const module = new Module();
  module.importMemory('host', 'memory', { min: 1, max: 1 });
  const run = module.function('normal', { mean: 'f32', std: 'f32' }, 'none', (given, { local }) => {
    const i = local('i', 'i32');
    /** A loop over all numbers, by fours. */
    const eachFour = (make: (context: Context) => void): Statement[] => {
      const [before, body]: Statement[][] = [[], []];
      const keepIn = (code: Statement[]): Context['keep'] => (value) => {
        const kept = local('kept', value.type);
        code.push(set(kept, value as Operand<typeof value.type>));
        return kept;
      };
      const store: Context['store'] = (to, value) => void body.push(v128.store(at(i, to), value));
      make({ tableAt, i, keep: keepIn(body), fixed: keepIn(before), store });
      return [...before, ...forRange(i, 0, 4 * count, 16, body)];
    };
    // Two loops: reading parts of a vector right after it was stored makes the processor wait.
    return [
      eachFour((context) => splitAngles(context, b, scratch)),
      eachFour((context) => {
        const { fixed, store } = context;
        const [minusTwo, mean, std] = [-2, given.mean, given.std].map((value) => (
          fixed(f32x4.splat(value))
        ));
        const log = context.keep(logsIn(context, a));
        const cosine = cosinesIn(context, b, scratch);
        const number = f32x4.mul(f32x4.sqrt(f32x4.mul(log, minusTwo)), cosine);
        store(b, f32x4.add(f32x4.mul(number, std), mean));
      }),
    ];
  });
  module.export(run);
  return module.instantiate<{ normal: NormalFunction }>({ host: { memory } }).normal;
}

/** Copies the tables to an address, and gives that of each. */
function addTables(memory: HostMemory, end: number): Record<Table, number> {
  const [cells, steps] = [interleaved(reciprocals, logs), interleaved(cosines, sines)];
  let next = end;
  const add = (table: Float64Array): number => {
    const address = next;
    new Float64Array(memory.buffer, address, table.length).set(table);
    next += table.byteLength;
    return address;
  };
  return { cells: add(cells), powers: add(logsOfPowers), steps: add(steps) };
}

/** Two tables as one, in which the entries of both lie side by side, as they are read. */
function interleaved(first: Float64Array, second: Float64Array): Float64Array {
  const both = new Float64Array(2 * first.length);
  first.forEach((entry, i) => both.set([entry, second[i]], 2 * i));
  return both;
}

/** The entries of two interleaved tables at two distances from their start, in bytes. */
function entriesOf({ tableAt, keep }: Context, table: Table, distances: Distances): Vector[] {
  const both = distances.map((distance) => keep(v128.load(at(distance, tableAt[table]))));
  return [words(0, 1, 4, 5), words(2, 3, 6, 7)].map((lanes) => (
    i8x16.shuffle(both[0], both[1], lanes)
  ));
}

const { add, sub, mul } = f64x2;

/** A constant, in both lanes. */
const fixedIn = ({ fixed }: Context) => (value: number): Vector => fixed(f64x2.splat(value));

/** The code of the logarithms of the four numbers at an address: see `logOfBits`. */
function logsIn(context: Context, address: number): Vector {
  const { tableAt, i, keep, fixed } = context;
  const constant = fixedIn(context);
  const [one, minusHalf, third, quarter] = [1, -1 / 2, 1 / 3, 1 / 4].map(constant);
  const [mask, leading] = [0x7fffff, 0x800000].map((bits) => fixed(i32x4.splat(bits)));
  return inPairs((pair) => {
    const bits = [0, 4].map((more) => keep(i32.load(at(i, address + pair + more))));
    // The numbers of entries, times their 8 or 16 bytes.
    const cells = bits.map((own) => i32.and(i32.shr_u(own, CELL_SHIFT - 4), 16 * (CELLS - 1)));
    const powers = bits.map((own) => i32.and(i32.shr_u(own, 23 - 3), 8 * 127));
    const [reciprocal, log] = entriesOf(context, 'cells', cells);
    const [first, second] = powers.map((distance) => at(distance, tableAt.powers));
    const power = v128.load64_lane(second, v128.load64_zero(first), 1);
    const both = v128.load64_zero(at(i, address + pair));
    const significands = v128.or(v128.and(both, mask), leading);
    const x = keep(sub(mul(f64x2.convert_low_i32x4_s(significands), reciprocal), one));
    const square = keep(mul(x, x));
    const terms = sub(add(minusHalf, mul(x, third)), mul(square, quarter));
    const series = add(x, mul(square, terms));
    return add(add(power, log), series);
  });
}

/** Splits four angles into whole steps, as distances in the table, and what is left of them. */
function splitAngles({ i, keep, fixed, store }: Context, address: number, scratch: number): void {
  const [perRadian, half, perStep, shift] = [STEPS, 0.5, 1 / STEPS, 2 ** 23].map((value) => (
    fixed(f32x4.splat(value))
  ));
  const angle = keep(v128.load(at(i, address)));
  const step = keep(f32x4.floor(f32x4.add(f32x4.mul(angle, perRadian), half)));
  // With 2²³ the lowest bits of a float32 are its integer part; times the 16 bytes of an entry.
  const places = i32x4.shl(f32x4.add(step, shift), 4);
  store(scratch, v128.and(places, fixed(i32x4.splat(0x7fffff0))));
  store(address, f32x4.sub(angle, f32x4.mul(step, perStep)));
}

/** The code of the cosines of four angles: see `cosOf`. */
function cosinesIn(context: Context, rests: number, scratch: number): Vector {
  const { i, keep } = context;
  const constant = fixedIn(context);
  const [one, minusHalf, of24, minusSixth] = [1, -1 / 2, 1 / 24, -1 / 6].map(constant);
  return inPairs((pair) => {
    const distances = [0, 4].map((more) => i32.load(at(i, scratch + pair + more)));
    const rest = keep(f64x2.promote_low_f32x4(v128.load64_zero(at(i, rests + pair))));
    const square = keep(mul(rest, rest));
    const cosOfRest = add(one, mul(square, add(minusHalf, mul(square, of24))));
    const sinOfRest = mul(rest, add(one, mul(square, minusSixth)));
    const [cosine, sine] = entriesOf(context, 'steps', distances);
    return sub(mul(cosine, cosOfRest), mul(sine, sinOfRest));
  });
}

/** Four float32, of the two float64 for the pair at 0 bytes and the two for that at 8. */
function inPairs(make: (pair: number) => Vector): Vector {
  const [first, second] = [0, 8].map((pair) => f32x4.demote_f64x2_zero(make(pair)));
  return i8x16.shuffle(first, second, words(0, 1, 4, 5));
}
