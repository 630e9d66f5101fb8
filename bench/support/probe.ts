/**
 * What the machine can do at most, on one thread: the rate of multiply-adds of the inner loop of a
 * matrix product on data in the nearest cache, and how fast memory is read, by the size of what is
 * read. Both in WebAssembly, as kernels are; so a kernel's time can be set beside its bound.
 */
import * as k from '@mambagrad/kernel';
import { type HostMemory, webAssembly } from '@mambagrad/wasm';

export interface Probe {
  /** Operations a second, a multiply-add counting as two. */
  readonly rate: number;
  /** Bytes a second, for arrays of so many bytes. */
  readonly bandwidth: readonly { readonly bytes: number; readonly rate: number }[];
}

const LARGEST = 2 ** 28;

/** Measures the machine; takes about three seconds. `fuse` as in kernels that may round once. */
export function probe(fuse: boolean): Probe {
  const host = webAssembly();
  if (host === undefined) throw new Error('probe: there is no WebAssembly here');
  const memory = new host.Memory({ initial: LARGEST / 65536 + 1 });
  // Pages that were never written are all one, and fast to read.
  new Float32Array(memory.buffer as ArrayBuffer).fill(1);
  const sizes = Array.from({ length: 8 }, (_, i) => 2 ** (14 + 2 * i));
  return {
    rate: peakRate(memory, fuse),
    bandwidth: sizes.map((bytes) => ({ bytes, rate: readRate(memory, bytes) })),
  };
}

/** The least seconds that a run takes, of many. */
function fastest(run: () => void): number {
  let best = Infinity;
  for (let end = performance.now() + 120, rounds = 0; rounds < 10 || performance.now() < end; ) {
    const start = performance.now();
    run();
    best = Math.min(best, performance.now() - start);
    rounds++;
  }
  return best / 1000;
}

/** Tiles of 6 × 8 with fused multiply-add, else of 4 × 8: what each engine has registers for. */
function peakRate(memory: HostMemory, fuse: boolean): number {
  const [depth, rounds] = [256, 400];
  return Math.max(
    ...[4, 6].map((height) => {
      const a = k.buffer('a', 'f32', height * depth);
      const b = k.buffer('b', 'f32', 8 * depth);
      const y = k.buffer('y', 'f32', 8 * height);
      const sums = Array.from({ length: 2 * height }, () => k.variable('y', 'f32x4'));
      const right = [0, 4].map(() => k.variable('b', 'f32x4'));
      const tile = k.kernel('tile', [a, b, y], k.loop('round', rounds, () => [
        sums.map((sum) => k.set(sum, 0)),
        k.loop('k', depth, (i) => [
          right.map((own, n) => k.set(own, k.load(b, k.ramp(k.add(k.mul(i, 8), 4 * n))))),
          Array.from({ length: height }, (_, row) => {
            const left = k.variable('a', 'f32x4');
            return [
              k.set(left, k.load(a, k.add(k.mul(i, height), row))),
              right.map((own, n) => {
                const sum = sums[2 * row + n];
                return k.set(sum, k.mulAdd(left, own, sum));
              }),
            ];
          }),
        ]),
        sums.map((sum, i) => k.store(y, k.ramp(k.constant('i32', 4 * i)), sum)),
      ]));
      const run = k.compileWebAssembly(tile, memory, { fuse });
      const seconds = fastest(() => run(0, 16384, 65536));
      return (2 * 8 * height * depth * rounds) / seconds;
    }),
  );
}

/** From one end to the other, or in eight stretches at once, by one vector of each or by four. */
function readRate(memory: HostMemory, bytes: number): number {
  const n = bytes / 4;
  const ways = [{ streams: 1, vectors: 8 }, { streams: 8, vectors: 1 }, { streams: 8, vectors: 4 }];
  return Math.max(...ways.map(({ streams, vectors }) => {
    const stretch = Math.min(8448, n / streams);
    const count = n - (n % (streams * stretch));
    const [x, y] = [k.buffer('x', 'f32', n), k.buffer('y', 'f32', 4)];
    const sums = Array.from({ length: 8 }, () => k.variable('s', 'f32x4'));
    const places = Array.from({ length: streams * vectors }, (_, i) => (
      stretch * (i % streams) + 4 * Math.floor(i / streams)
    ));
    const read = k.kernel('read', [x, y], [
      sums.map((sum) => k.set(sum, 0)),
      k.loop('block', { to: count, step: streams * stretch }, (first) =>
        k.loop('i', { from: first, to: k.add(first, stretch), step: 4 * vectors }, (at) =>
          places.map((place, i) => {
            const sum = sums[i % 8];
            return k.set(sum, k.add(sum, k.load(x, k.ramp(k.add(at, place)))));
          }),
        ),
      ),
      sums.slice(1).map((sum) => k.set(sums[0], k.add(sums[0], sum))),
      k.store(y, k.ramp(k.constant('i32', 0)), sums[0]),
    ]);
    const run = k.compileWebAssembly(read, memory);
    return (4 * count) / fastest(() => run(65536, 0));
  }));
}

/** The least milliseconds in which so many operations and bytes can be done. */
export function boundOf({ rate, bandwidth }: Probe, operations: number, bytes: number): number {
  const { rate: reading } = bandwidth.find((one) => one.bytes >= bytes) ?? bandwidth.slice(-1)[0];
  return 1000 * Math.max(operations / rate, bytes / reading);
}
