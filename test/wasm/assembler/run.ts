/** Runs one instruction of the assembler's table on values that are handed over in memory. */
import * as assembler from '@mambagrad/wasm';
import type { Code, Row, ValueType } from '@mambagrad/wasm';
import fc from 'fast-check';
import type { Value, Vector } from './reference.ts';

const { at, f32, f64, i32, i64, Module, v128 } = assembler;

/** Where the arguments stand in memory, 16 bytes each, and where the result is left. */
const [argumentsAt, resultAt] = [1024, 2048];

type Builder = (...given: unknown[]) => Code;
const load: Record<ValueType, Builder> = {
  i32: i32.load, i64: i64.load, f32: f32.load, f64: f64.load, v128: v128.load,
} as Record<ValueType, Builder>;
const store: Record<ValueType, Builder> = {
  i32: i32.store, i64: i64.store, f32: f32.store, f64: f64.store, v128: v128.store,
} as Record<ValueType, Builder>;

export function builderOf(name: string): Builder {
  const found = name.split('.').reduce<unknown>(
    (place, step) => (place as Record<string, unknown>)[step],
    assembler,
  );
  return found as Builder;
}

export const isValue = (token: string): token is ValueType => token in load;

/** An argument of an instruction: a value to hand over, or what stands in the code. */
export type Given = Value | readonly number[] | { readonly offset: number; readonly align: number };

export interface Machine {
  readonly view: DataView;
  /** Runs the instruction; throws if it traps. */
  readonly run: (...given: readonly Given[]) => Value | undefined;
}

/** A machine for a row: memory, and a way to run the instruction on it. */
export function machineFor({ name, tokens, result }: Row): Machine {
  const host = assembler.webAssembly();
  if (host === undefined) throw new Error('no WebAssembly');
  const memory = new host.Memory({ initial: 1, maximum: 1, shared: true });
  const view = new DataView(memory.buffer);
  const compiled = new Map<string, (address: number) => void>();
  const run = (...given: readonly Given[]) => {
    const isInCode = (i: number) => tokens[i] !== undefined && !isValue(tokens[i]);
    const key = JSON.stringify(given.filter((_, i) => isInCode(i)), (_, v: unknown) => (
      typeof v === 'bigint' || Object.is(v, -0) ? `${v}-` : typeof v === 'number' ? `${v}` : v
    ));
    const found = compiled.get(key) ?? compile(given);
    compiled.set(key, found);
    given.forEach((value, i) => {
      if (isValue(tokens[i])) write(view, argumentsAt + 16 * i, tokens[i], value as Value);
    });
    // The address is the first argument, where there is one.
    const [first] = given;
    found(typeof first === 'object' && 'address' in first ? Number(first.address) : 0);
    return result === 'none' ? undefined : read(view, resultAt, result);
  };
  const compile = (given: readonly Given[]) => {
    const module = new Module();
    module.importMemory('test', 'memory', { min: 1, max: 1, shared: true });
    module.export(module.function('run', { address: 'i32' }, 'none', ({ address }) => {
      const code = builderOf(name)(...given.map((value, i) => {
        if (isValue(tokens[i])) return load[tokens[i]](argumentsAt + 16 * i);
        const isPlace = typeof value === 'object' && 'offset' in value;
        return isPlace ? at(address, value.offset, value.align) : value;
      }));
      return [code.type === 'none' ? code : store[code.type](resultAt, code)] as Code<'none'>[];
    }));
    return module.instantiate<{ run(address: number): void }>({ test: { memory } }).run;
  };
  return { view, run };
}

/** Writes a value as WebAssembly would, low byte first. */
export function write(
  view: DataView,
  offset: number,
  type: ValueType,
  value: Value,
): undefined {
  if (typeof value === 'bigint') view.setBigInt64(offset, value, true);
  else if (typeof value === 'object') vectorAt(view, offset).set(new Int32Array(value.buffer));
  else if (type === 'i32') view.setInt32(offset, value, true);
  else if (type === 'f32') view.setFloat32(offset, value, true);
  else view.setFloat64(offset, value, true);
}

export function read(view: DataView, offset: number, type: ValueType): Value {
  if (type === 'i32') return view.getInt32(offset, true);
  if (type === 'i64') return view.getBigInt64(offset, true);
  if (type === 'f32') return view.getFloat32(offset, true);
  if (type === 'f64') return view.getFloat64(offset, true);
  return vectorAt(view, offset).slice();
}

const vectorAt = (view: DataView, offset: number) => new Int32Array(view.buffer, offset, 4);

/** Whether both are the same bits, NaNs of floats being equal. */
export function isSame(found: Value | undefined, expected: Value | undefined): boolean {
  if (typeof expected !== 'object') return Object.is(found, expected);
  const { buffer } = found as Vector;
  const lanes = new (expected.constructor as Int32ArrayConstructor)(buffer as ArrayBuffer);
  return lanes.every((lane, i) => Object.is(lane, expected[i]));
}

// Arguments: any bits, and often the values where something happens.

const integers = [0, 1, -1, 2, 31, 32, 33, 255, 2 ** 31 - 1, -(2 ** 31), -(2 ** 31) + 1];
const halves = [0.5, 1, 1.5, 2.5, 3, 8388607.5, 16777216, 2147483520, 2 ** 31, 2 ** 32, 1e-45];
const floats = [0, ...halves, 1.17549435e-38, 3.4028235e38, 1e-30, Infinity, NaN]
  .flatMap((x) => [Math.fround(x), Math.fround(-x)]);
const anyI32 = fc.oneof(fc.integer(), fc.constantFrom(...integers));
const anyI64 = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.constantFrom(...integers.map(BigInt), 2n ** 63n - 1n, -(2n ** 63n)),
);
const anyF32 = fc.oneof(fc.float(), fc.float({ min: -100, max: 100 }), fc.constantFrom(...floats));
const anyF64 = fc.oneof(
  fc.double(),
  fc.double({ min: -5e9, max: 5e9 }),
  fc.constantFrom(...floats, 0.49999999999999994, 2 ** 52 + 1, 5e-324, 2147483647.9, 4294967295.9),
);
const four = <T>(one: fc.Arbitrary<T>) => fc.tuple(one, one, one, one);
const anyV128: fc.Arbitrary<Vector> = fc.oneof(
  four(anyI32).map((lanes) => Int32Array.from(lanes)),
  four(anyF32).map((lanes) => Float32Array.from(lanes)),
  fc.tuple(anyF64, anyF64).map((lanes) => Float64Array.from(lanes)),
);

/** Any argument for a token of the table; of memory, places in the first 256 bytes. */
export function anyArgument(token: string, name: string): fc.Arbitrary<Given> {
  const isAtomic = name.includes('atomic');
  if (token.startsWith('@')) {
    const size = Number(token.slice(1));
    const step = isAtomic ? size : 1;
    const powers = [1, 2, 4, 8, 16].filter((align) => (isAtomic ? align === size : align <= size));
    const position = fc.integer({ min: 0, max: 96 / step }).map((n) => n * step);
    return fc.record({ address: position, offset: position, align: fc.constantFrom(...powers) });
  }
  // How long to wait, in nanoseconds; a negative number would be for ever.
  if (isAtomic && token === 'i64') return fc.bigInt({ min: 0n, max: 1000n });
  if (token === 'lanes') {
    return fc.array(fc.integer({ min: 0, max: 31 }), { minLength: 16, maxLength: 16 });
  }
  if (token.startsWith('lane')) return fc.integer({ min: 0, max: Number(token.slice(4)) - 1 });
  const arbitraries: Record<string, fc.Arbitrary<Given>> = {
    i32: anyI32, i64: anyI64, f32: anyF32, f64: anyF64, v128: anyV128,
    i32x4: four(anyI32), f32x4: four(anyF32),
  };
  return arbitraries[token.replace('=', '')];
}
