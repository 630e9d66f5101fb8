/**
 * Records who does which chunk when: a matrix product, on threads that share its two parallel loops
 * by the protocol of the library (share.ts). The module that the threads run calls a clock before
 * and after each chunk; programs of the library have no such calls. `npm run pictures -- --record`
 * runs this, and keeps the result in threadsRecording.ts.
 */
import { Worker } from 'node:worker_threads';
import {
  addRegions, buffer, callRegion, kernel, load, multiply, plus, times,
} from '@mambagrad/kernel';
import { addWorkSharing, call, i32, Module, RESERVED_BYTES, webAssembly } from '@mambagrad/wasm';
import { ownerOf, type RecordedChunk, type ThreadsRecording } from './threadsTimeline.ts';

const [ROWS, DEPTH, COLUMNS] = [648, 256, 256];
const THREADS = 2;
/** How often the product is computed. The fastest run is kept in which all take part, and steal. */
const RUNS = 1000;
/** The least number of chunks that each thread does in it, and of those that are stolen. */
const LEAST = 3;
const PAGE_BYTES = 65536;

/** The product as a kernel. */
function productKernel() {
  const [a, b] = [buffer('a', 'f32', ROWS * DEPTH), buffer('b', 'f32', DEPTH * COLUMNS)];
  const y = buffer('y', 'f32', ROWS * COLUMNS);
  return kernel('product', [a, b, y], multiply({
    a: (i, k) => load(a, plus(times(i, DEPTH), k)),
    b: (k, j) => load(b, plus(times(k, COLUMNS), j)),
    y, indexOf: (i, j) => plus(times(i, COLUMNS), j),
    rows: ROWS, columns: COLUMNS, depth: DEPTH,
  }));
}

/** The module that all threads run, the pages of memory that it needs, and the sizes of loops. */
interface Recorded {
  readonly bytes: Uint8Array;
  readonly pages: number;
  readonly loops: readonly number[];
}

/** Makes the module: `run(self, threads, loop)` computes the product together with others. */
function recordedModule(): Recorded {
  const product = productKernel();
  const sizes = [ROWS * DEPTH, DEPTH * COLUMNS, ROWS * COLUMNS].map((count) => 4 * count);
  const addresses = sizes.reduce(
    (starts, size) => [...starts, (starts.at(-1) ?? 0) + size],
    [Math.ceil(RESERVED_BYTES / 64) * 64],
  );
  const scratch = addresses[sizes.length];
  const bytes = scratch + product.scratchBytes + THREADS * product.threadLocalBytes;
  const pages = Math.ceil(bytes / PAGE_BYTES);
  const module = new Module();
  module.importMemory('host', 'memory', { min: pages, max: pages, shared: true });
  const note = module.importFunction(
    'host', 'note', { loop: 'i32', iteration: 'i32', isEnd: 'i32' }, 'none',
  );
  const share = addWorkSharing(module, module.importFunction('host', 'watchdog', {}, 'none'));
  const regions = addRegions(module, product);
  const parameters = { self: 'i32', threads: 'i32', loop: 'i32' } as const;
  module.export(module.function('run', parameters, 'none', ({ self, threads, loop }, { local }) => {
    const iteration = local('iteration', 'i32');
    const own = i32.add(i32.mul(self, product.threadLocalBytes), scratch + product.scratchBytes);
    const given = [...addresses.slice(0, sizes.length), scratch];
    return regions.map((region, i) => share(
      region.iterations ?? 1, { self, threads, loop, iteration }, [
        call(note, { loop: i32.const(i), iteration, isEnd: i32.const(0) }),
        callRegion(region, given, own, iteration, i32.add(iteration, 1)),
        call(note, { loop: i32.const(i), iteration, isEnd: i32.const(1) }),
      ],
    ));
  }));
  return { bytes: module.bytes(), pages, loops: regions.map(({ iterations = 1 }) => iterations) };
}

/** The code of a thread. All have one clock, that of the machine. */
const THREAD = `
const { parentPort, workerData: { bytes, memory, self, threads, loops, runs } } =
  require('node:worker_threads');
const logs = Array.from({ length: runs }, () => []);
let log;
const note = (loop, chunk, isEnd) => {
  log.push([loop, chunk, isEnd, Number(process.hrtime.bigint())]);
};
const host = { memory, note, watchdog() {} };
const { run } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { host }).exports;
parentPort.postMessage('up');
for (let i = 0; i < runs; i++) {
  log = logs[i];
  run(self, threads, 1 + i * loops);
}
parentPort.postMessage(logs);
`;

/** A line of the log of a thread: nanoseconds on the clock of the machine. */
type Entry = readonly [loop: number, chunk: number, isEnd: number, nanoseconds: number];

/** The logs of all runs of a thread. */
type Logs = readonly (readonly Entry[])[];

/** Starts a thread, and once it is up gives the promise of its logs. */
async function startThread(workerData: object): Promise<{ logs: Promise<Logs> }> {
  const worker = new Worker(THREAD, { eval: true, workerData });
  const next = (): Promise<unknown> => new Promise((resolve, reject) => {
    worker.once('message', resolve).once('error', reject);
  });
  await next();
  return { logs: next() as Promise<Logs> };
}

/** Runs the product on threads some times, and gives who did which chunk when in one of them. */
export async function record(count = RUNS): Promise<ThreadsRecording> {
  const { bytes, pages, loops } = recordedModule();
  const host = webAssembly();
  if (host === undefined) throw new Error('threadsRecorder: this engine has no WebAssembly');
  const memory = new host.Memory({ initial: pages, maximum: pages, shared: true });
  const common = { bytes, memory, threads: THREADS, loops: loops.length, runs: count };
  const started: { logs: Promise<Logs> }[] = [];
  // The first thread leads, so it comes last: the others are up by then.
  for (let self = THREADS - 1; self >= 0; self--) {
    started.unshift(await startThread({ ...common, self }));
  }
  const logs = await Promise.all(started.map((thread) => thread.logs));
  const runs = Array.from({ length: count }, (_, run) => chunksOf(logs.map((all) => all[run])));
  const duration = (chunks: readonly RecordedChunk[]): number =>
    Math.max(...chunks.map(({ to }) => to));
  const countOf = (chunks: readonly RecordedChunk[], thread: number): number =>
    chunks.filter((each) => each.thread === thread).length;
  const stolenOf = (chunks: readonly RecordedChunk[]): number =>
    chunks.filter((each) => ownerOf(each.chunk, loops[each.loop], THREADS) !== each.thread).length;
  const isTelling = (chunks: readonly RecordedChunk[]): boolean => stolenOf(chunks) >= LEAST &&
    started.every((_, thread) => countOf(chunks, thread) >= LEAST);
  const [chunks = runs[0]] = runs.filter(isTelling).sort((a, b) => duration(a) - duration(b));
  return { loops, threads: THREADS, chunks };
}

/** The chunks of a run, from what each thread noted. */
function chunksOf(logs: readonly (readonly Entry[])[]): RecordedChunk[] {
  const start = Math.min(...logs.flat().map(([, , , time]) => time));
  const microseconds = (time: number): number => Math.round((time - start) / 100) / 10;
  return logs.flatMap((log, thread) => log.flatMap(([loop, chunk, isEnd, time], i) => {
    if (isEnd === 1) return [];
    const [, , , end] = log[i + 1];
    return [{ loop, chunk, thread, from: microseconds(time), to: microseconds(end) }];
  }));
}

/** The file that keeps a recording. */
export function recordingFile({ loops, threads, chunks }: ThreadsRecording): string {
  const rows = chunks.map(({ loop, chunk, thread, from, to }) =>
    `    { loop: ${loop}, chunk: ${chunk}, thread: ${thread}, from: ${from}, to: ${to} },`);
  return `/**
 * A recording for the picture of threads: ${threads} of them, which share two loops.
 * \`npm run pictures -- --record\` makes it anew.
 */
import type { ThreadsRecording } from './threadsTimeline.ts';

/** A product of two matrices; the first loop packs one of them. */
export const recording: ThreadsRecording = {
  loops: [${loops.join(', ')}],
  threads: ${threads},
  chunks: [
${rows.join('\n')}
  ],
};
`;
}
