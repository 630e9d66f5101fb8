/** What every instruction that touches memory should do to it and give back, with a DataView. */
import type { Value, Vector } from './assembler/reference.ts';
import { read, write } from './assembler/run.ts';

/** Changes memory at an address, given the other arguments, and returns the result. */
export type Effect = (view: DataView, ...given: never[]) => Value | undefined;

const bytesOf = (view: DataView) => new Uint8Array(view.buffer);

/** A vector with some of its bytes read from memory, and the others zero or those of another. */
function partly(
  view: DataView,
  address: number,
  size: number,
  lane: number,
  rest?: Vector,
): Vector {
  const bytes = rest === undefined ? new Uint8Array(16) : new Uint8Array(rest.buffer.slice());
  bytes.set(bytesOf(view).subarray(address, address + size), lane * size);
  return new Int32Array(bytes.buffer);
}

/** Writes some bytes of a vector to memory. */
function putLane(
  view: DataView,
  address: number,
  x: Vector,
  lane: number,
  size: number,
): undefined {
  const from = new Uint8Array(x.buffer, lane * size, size);
  bytesOf(view).set(from, address);
}

/** A vector full of what is read from memory. */
function splat(view: DataView, address: number, size: number): Vector {
  const bytes = bytesOf(view).slice(address, address + size);
  return new Int32Array(Uint8Array.from({ length: 16 }, (_, i) => bytes[i % size]).buffer);
}

/** Replaces an i32 and gives what was there. */
function exchange(change: (old: number, ...given: number[]) => number): Effect {
  return (view: DataView, address: number, ...given: number[]) => {
    const old = view.getInt32(address, true);
    view.setInt32(address, change(old, ...given), true);
    return old;
  };
}

const effects: Record<string, Effect> = {
  'i32.load8_s': (view, address) => view.getInt8(address),
  'i32.load8_u': (view, address) => view.getUint8(address),
  'i32.load16_s': (view, address) => view.getInt16(address, true),
  'i32.load16_u': (view, address) => view.getUint16(address, true),
  'i32.store8': (view, address, x) => void view.setInt8(address, x),
  'i32.store16': (view, address, x) => void view.setInt16(address, x, true),
  'i32.atomic.load': (view, address) => view.getInt32(address, true),
  'i32.atomic.store': (view, address, x) => void view.setInt32(address, x, true),
  'i32.atomic.rmw.add': exchange((old, x) => old + x),
  'i32.atomic.rmw.sub': exchange((old, x) => old - x),
  'i32.atomic.rmw.xchg': exchange((_, x) => x),
  'i32.atomic.rmw.cmpxchg': exchange((old, expected, x) => (old === expected ? x : old)),
  'i64.atomic.load': (view, address) => view.getBigInt64(address, true),
  'i64.atomic.store': (view, address, x) => void view.setBigInt64(address, x, true),
  'i64.atomic.rmw.cmpxchg': (view, address, expected: bigint, x: bigint) => {
    const old = view.getBigInt64(address, true);
    if (old === expected) view.setBigInt64(address, x, true);
    return old;
  },
  'atomic.fence': () => undefined,
  'memory.atomic.notify': () => 0,
  'memory.size': () => 1,
  // The memory of these tests has as many pages as it may have.
  'memory.grow': (_, pages) => (pages === 0 ? 1 : -1),
  'memory.fill': (view, to: number, value: number, count: number) => (
    void bytesOf(view).fill(value, to, to + count)
  ),
  'memory.copy': (view, to: number, from: number, count: number) => (
    void bytesOf(view).copyWithin(to, from, from + count)
  ),
  // Nobody notifies: the wait is over at once if the value is another, and after the time if not.
  'memory.atomic.wait32': (view, address, expected) => (
    view.getInt32(address, true) === expected ? 2 : 1
  ),
  'v128.load32_splat': (view, address) => splat(view, address, 4),
  'v128.load64_splat': (view, address) => splat(view, address, 8),
  'v128.load32_zero': (view, address) => partly(view, address, 4, 0),
  'v128.load64_zero': (view, address) => partly(view, address, 8, 0),
  'v128.load': (view, address) => partly(view, address, 16, 0),
  'v128.store': (view, address, x) => putLane(view, address, x, 0, 16),
  'v128.load32_lane': (view, address, x, lane) => partly(view, address, 4, lane, x),
  'v128.load64_lane': (view, address, x, lane) => partly(view, address, 8, lane, x),
  'v128.store32_lane': (view, address, x, lane) => putLane(view, address, x, lane, 4),
  'v128.store64_lane': (view, address, x, lane) => putLane(view, address, x, lane, 8),
};

/** What the instruction of that name should do. Undefined if nobody says. */
export function effectOf(name: string): Effect | undefined {
  const [type, method] = name.split('.');
  if (effects[name] !== undefined) return effects[name];
  const isScalar = type === 'i32' || type === 'i64' || type === 'f32' || type === 'f64';
  if (isScalar && method === 'load') return (view, address) => read(view, address, type);
  if (isScalar && method === 'store') return (view, address, x) => write(view, address, type, x);
  return undefined;
}
