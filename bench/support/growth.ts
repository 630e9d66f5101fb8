/**
 * What memory is in use, and three kinds of work that must not make it grow: training steps of one
 * program, programs that are compiled, called and dropped, and a function that is called with
 * thousands of shapes.
 */
import { MambaLM } from '@mambagrad/mamba';
import { AdamW, crossEntropy } from '@mambagrad/nn';
import {
  arange, compile, type CompileOptions, Generator, integers, ones, type Tensor, tensor, uniform,
  zeros,
} from '@mambagrad/tensor';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

// Only a context that is made while the flag is set has the function.
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as (options?: object) => void;
setFlagsFromString('--no-expose-gc');

/** Lets what is due between tasks happen: finalizers are called then. */
export const nextTask = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));

/** Collects garbage, and what is garbage once the finalizers of that have been called. */
export async function collect(): Promise<void> {
  for (let i = 0; i < 3; i++) {
    collectGarbage();
    await nextTask();
  }
}

/** The bytes of objects and of their arrays, after garbage is collected. */
export function bytesInHeap(): number {
  // What arrays held is given back on the side, and is known to be by the next collection.
  for (let i = 0; i < 3; i++) collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

/** The bytes of main memory that the process has, once what was dropped is gone from it. */
export async function residentBytes(): Promise<number> {
  await collect();
  // Later engines keep empty pages for themselves unless they are told that memory is short.
  if (Number(process.versions.node.split('.')[0]) >= 22) {
    collectGarbage({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  }
  return process.memoryUsage.rss();
}

/** The bytes of the memory that all compiled programs share: that in which their state lies. */
export function bytesOfPrograms(): number {
  const state = zeros([]);
  compile(() => void state.assign(state.add(1)))();
  return state.data.buffer.byteLength;
}

export interface Use {
  readonly heap: number;
  readonly programs: number;
}

/** What is in use once all that was dropped is gone. */
export async function measure(): Promise<Use> {
  await collect();
  return { heap: bytesInHeap(), programs: bytesOfPrograms() };
}

/** A compiled training step of a small language model, which gives the loss. */
export function trainingStep(): () => number {
  const generator = new Generator(1);
  const model = new MambaLM({ vocabSize: 8, hiddenSize: 8, stateSize: 4, numLayers: 1, generator });
  const optimizer = new AdamW(model.parameters(), { lr: 1e-3 });
  const step = compile((tokens: Tensor) => {
    const loss = crossEntropy(model.forward(tokens), tokens);
    optimizer.minimize(loss, { maxNorm: 1 });
    return loss;
  });
  return () => step(integers([2, 9], 0, 8, generator)).item();
}

/** A small function, which is called with another shape for each number. */
export function manyShapes(options: CompileOptions = {}): (number: number) => Tensor {
  const weight = uniform([16, 16], -1, 1);
  const f = compile((x: Tensor) => {
    const [rows] = x.shape;
    return x.matmul(weight).add(arange(0, rows).unsqueeze(1)).tanh().square().mean();
  }, options);
  return (number) => f(ones([1 + number, 16]));
}

/** Compiles a program with state and constants whose sizes depend on the number; calls it twice. */
export function compileOne(number: number): object {
  const size = 1 + ((number * 37) % 1000);
  const state = uniform([size], -1, 1);
  const step = compile((x: Tensor) => {
    state.assign(state.mul(0.5).add(arange(0, size)));
    return state.sub(x).square().mean();
  });
  for (let call = 0; call < 2; call++) step(tensor(call)).item();
  return step;
}
