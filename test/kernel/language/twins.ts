/** Runs a kernel by both emitters, on memories that hold the same, and compares what they leave. */
import {
  type Buffer,
  compileJavaScript,
  compileWebAssembly,
  type Kernel,
  type ScriptSizes,
} from '@mambagrad/kernel';
import { type HostMemory, webAssembly } from '@mambagrad/wasm';
import { expect } from 'vitest';

/** What a buffer holds at first, or the value of a single argument. */
export type Given = ReadonlyMap<object, ArrayLike<number> | number>;

/** Where buffers start: places that no vector is aligned to. */
const FIRST = 36;
const GAP = 20;

/** As long kernels are written, in lane loops and functions, and as short ones are. */
const sizesOfScripts: readonly (ScriptSizes | undefined)[] = [
  undefined, { lanes: 1, functions: 1 },
];

/** A memory for WebAssembly. */
export function newMemory(bytes: number): HostMemory {
  const host = webAssembly();
  if (host === undefined) throw new Error('there is no WebAssembly here');
  return new host.Memory({ initial: Math.ceil(bytes / 65536) });
}

/**
 * What the kernel's buffers hold after it has run, in WebAssembly. Throws if JavaScript leaves
 * anything else, anywhere in memory: in f32 buffers all NaNs are one.
 */
export function runTwins(kernel: Kernel, given: Given): Map<Buffer, Float32Array | Int32Array> {
  const places = new Map<Buffer, number>();
  let end = FIRST;
  const buffers = [...kernel.parameters, ...kernel.reads, ...kernel.writes].filter(
    (one): one is Buffer => !('node' in one) && !one.isScratch,
  );
  for (const one of new Set(buffers)) {
    places.set(one, one.at ?? end);
    end = Math.max(end, (one.at ?? end) + 4 * one.length + GAP);
  }
  const memory = newMemory(end + kernel.scratchBytes);
  const viewOf = (one: Buffer, bytes: ArrayBufferLike): Float32Array | Int32Array => {
    const View = one.kind === 'f32' ? Float32Array : Int32Array;
    return new View(bytes as ArrayBuffer, places.get(one), one.length);
  };
  for (const one of places.keys()) viewOf(one, memory.buffer).set(given.get(one) as number[] ?? []);
  const twins = sizesOfScripts.map(() => memory.buffer.slice(0) as ArrayBuffer);
  const call = kernel.parameters.map((one) => (
    'node' in one ? (given.get(one) as number) : (places.get(one) ?? 0)
  ));
  compileWebAssembly(kernel, memory)(...call, end);
  const results = new Map([...places.keys()].map((one) => [one, viewOf(one, memory.buffer)]));
  twins.forEach((twin, form) => {
    compileJavaScript(kernel, twin, undefined, sizesOfScripts[form])(...call, end);
    for (const [one, result] of results) {
      const other = viewOf(one, twin);
      const different = result.findIndex((x, i) => !Object.is(x, other[i]));
      if (different >= 0) {
        const [x, y] = [result[different], other[different]];
        expect.fail(
          `${one.name}[${different}] is ${x} in WebAssembly and ${y} in JavaScript, form ${form}`,
        );
      }
    }
  });
  const written = new Set([...places].flatMap(([one, at]) => (
    Array.from({ length: one.length }, (_, i) => at / 4 + i)
  )));
  const all = [memory.buffer, ...twins].map((bytes) => new Int32Array(bytes));
  const outside = all[0].findIndex((_, i) => (
    4 * i < end && !written.has(i) && all.some((words) => words[i] !== 0)
  ));
  if (outside >= 0) expect.fail(`wrote at byte ${4 * outside}, outside all buffers`);
  return results;
}
