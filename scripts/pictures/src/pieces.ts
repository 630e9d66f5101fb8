/**
 * The interactive pieces of the site: what each picture looks like with the settings that a reader
 * chose. The pictures are drawn by the functions that draw them for the chapters.
 */
import { arange, type Tensor } from '@mambagrad/tensor';
import type { Pass } from '@mambagrad/tensor/extend';
import { f32 } from '@mambagrad/wasm';
import { draw as arena, trainingStep } from './arena.ts';
import { draw as broadcasting } from './broadcasting.ts';
import type { controls, PieceName, Settings } from './controls.ts';
import { draw as expressionGraph } from './expressionGraph.ts';
import { draw as fusionGroups, network } from './fusionGroups.ts';
import { draw as leakyIntegrator, pulses } from './leakyIntegrator.ts';
import { draw as loopNests, examples as loopOps } from './loopNests.ts';
import { draw as mambaBlock } from './mambaBlock.ts';
import { draw as matmulTiles } from './matmulTiles.ts';
import { draw as passes } from './passes.ts';
import { draw as remembered } from './remembered.ts';
import { draw as reverseSweep } from './reverseSweep.ts';
import { draw as runTimeline } from './runTimeline.ts';
import { draw as sampling } from './sampling.ts';
import { draw as scanMemory } from './scanMemory.ts';
import { draw as scanOrders, examples as orders } from './scanOrders.ts';
import { draw as scanTrees } from './scanTrees.ts';
import { draw as ssdChunk } from './ssdChunk.ts';
import { draw as ssdMatrix } from './ssdMatrix.ts';
import { draw as stridedView, examples as views } from './stridedView.ts';
import { draw as threadsTimeline } from './threadsTimeline.ts';
import { draw as trainingLoss } from './trainingLoss.ts';
import { draw as wasmBytes, type Formula } from './wasmBytes.ts';

/** The type of what a control says. */
type Value<C> = C extends { readonly kind: 'range' } ? number
  : C extends { readonly kind: 'check' } ? boolean : string;

/** The settings of a piece, each of the type of its control. */
type SettingsOf<Name extends PieceName> = {
  readonly [Key in keyof (typeof controls)[Name]]: Value<(typeof controls)[Name][Key]>;
};

/** The names of those switches that are off. */
function left<Name extends string>(switches: Readonly<Record<Name, boolean>>): Name[] {
  return (Object.keys(switches) as Name[]).filter((name) => !switches[name]);
}

/** Those parts of a record whose switches are on. */
function chosen<T>(
  all: Readonly<Record<string, T>>, isChosen: (name: string) => boolean,
): Record<string, T> {
  return Object.fromEntries(Object.entries(all).filter(([name]) => isChosen(name)));
}

/** The sizes of a shape as a reader types it: `3, 1` or `[3, 1]`. */
function shapeOf(name: string, typed: string): number[] {
  const parts = typed.replaceAll(/[[\]]/g, ' ').split(/[,×x]|\s+/).filter((part) => part !== '');
  const sizes = parts.map(Number);
  if (sizes.every((size) => Number.isInteger(size) && size > 0)) return sizes;
  throw new Error(`the shape of ${name} is ${typed}; expected sizes, whole numbers from 1: 3, 1`);
}

/** A tensor that counts in steps of a size. */
const counting = (shape: readonly number[], by: number): Tensor =>
  arange(0, shape.reduce((count, size) => count * size, 1)).add(1).mul(by).reshape(shape);

const inputs: Readonly<Record<string, readonly number[]>> = {
  pulses,
  step: pulses.map((_, t) => (t >= 10 ? 1 : 0)),
  wave: pulses.map((_, t) => (1 + Math.sin(t / 4)) / 2),
  spikes: pulses.map((_, t) => (t % 12 === 3 ? 1 : 0)),
};

const formulas: Readonly<Record<string, readonly [code: string, Formula]>> = {
  'x·x + y': ['f32.add(f32.mul(x, x), y)', (x, y) => f32.add(f32.mul(x, x), y)],
  '(x + y)·(x − y)': [
    'f32.mul(f32.add(x, y), f32.sub(x, y))', (x, y) => f32.mul(f32.add(x, y), f32.sub(x, y)),
  ],
  '(x + y)·x − y': [
    'f32.sub(f32.mul(f32.add(x, y), x), y)', (x, y) => f32.sub(f32.mul(f32.add(x, y), x), y),
  ],
};

/** A matrix, and the op on it that was chosen; those of the chapter if it is none. */
function viewsOf(
  { op, axis, start, length, step }: SettingsOf<'strided-view'>,
): Record<string, (x: Tensor) => Tensor> {
  const size = [3, 4][axis];
  const from = Math.min(start, size - 1);
  const count = Math.min(length, size - from);
  const per = (chosen: number, other: number): string =>
    `[${axis === 0 ? [chosen, other].join(', ') : [other, chosen].join(', ')}]`;
  const slice = (x: Tensor): Tensor => axis === 0
    ? x.slice([from, 0], [3, 4], [step, 1]) : x.slice([0, from], [3, 4], [1, step]);
  const made: Readonly<Record<string, readonly [string, (x: Tensor) => Tensor]>> = {
    transpose: ['x.transpose(0, 1)', (x) => x.transpose(0, 1)],
    narrow: [`x.narrow(${axis}, ${from}, ${count})`, (x) => x.narrow(axis, from, count)],
    slice: [`x.slice(${per(from, 0)}, [3, 4], ${per(step, 1)})`, slice],
    flip: [`x.flip(${axis})`, (x) => x.flip(axis)],
  };
  return Object.hasOwn(made, op) ? { x: (x) => x, ...Object.fromEntries([made[op]]) } : views;
}

type Draw<Name extends PieceName> = (settings: SettingsOf<Name>) => string | Promise<string>;

const draws: { readonly [Name in PieceName]: Draw<Name> } = {
  'arena': ({ layers, batch, inPlace }) =>
    arena({ program: trainingStep({ layers, batch, without: inPlace ? [] : ['inPlace'] }) }),
  'broadcasting': ({ a, b }) =>
    broadcasting({ a: counting(shapeOf('a', a), 10), b: counting(shapeOf('b', b), 1) }),
  'expression-graph': ({ reached, ...leaves }) => expressionGraph({ leaves, reached }),
  'fusion-groups': (switches) => fusionGroups({ program: network(left(switches)) }),
  'leaky-integrator': ({ delta, a, input }) =>
    leakyIntegrator({ steps: [0.05, delta, 2], a, input: inputs[input] }),
  'loop-nests': ({ rows, columns, ...switches }) => {
    const isOn = [switches.mul, switches.add, switches.square];
    const ops = chosen(loopOps, (code) => isOn[Object.keys(loopOps).indexOf(code)]);
    if (Object.keys(ops).length === 0) throw new Error('choose one op, or more');
    return loopNests({ ops, shape: [rows, columns] });
  },
  'mamba-block': (settings) => mambaBlock(settings),
  'matmul-tiles': (settings) => matmulTiles(settings),
  'passes': (switches) => passes({ without: left<Pass>(switches as Record<Pass, boolean>) }),
  'remembered': ({ token, channel }) => remembered({
    token: token === 0 ? undefined : token - 1, channel: channel === 0 ? undefined : channel - 1,
  }),
  'reverse-sweep': (settings) => reverseSweep(settings),
  'run-timeline': (settings) => runTimeline(settings),
  'sampling': ({ temperature, topP, topK }) =>
    sampling({ temperatures: [0.5, temperature, 2], topP, ...(topK < 8 && { topK }) }),
  'scan-memory': ({ stateSize, chunkSize }) =>
    scanMemory({ N: stateSize, chunkSize: Number(chunkSize) }),
  'scan-orders': ({ rows, columns, order }) => scanOrders({
    size: [rows, columns], orders: chosen(orders, (name) => order === 'all' || name === order),
  }),
  'scan-trees': ({ length, chunkSize, algorithm }) => {
    const all = ['sequential', 'hillisSteele', 'blelloch', 'chunked'] as const;
    const algorithms = all.filter((name) => algorithm === 'all' || name === algorithm);
    return scanTrees({ length, chunkSize, algorithms });
  },
  'ssd-chunk': (settings) => ssdChunk(settings),
  'ssd-matrix': (settings) => ssdMatrix(settings),
  'strided-view': (settings) => stridedView({ ops: viewsOf(settings) }),
  'threads-timeline': ({ until }) => threadsTimeline({ until }),
  'training-loss': (settings) => trainingLoss(settings),
  'wasm-bytes': ({ formula, x, y, marked }) => {
    const [code, expression] = formulas[formula];
    return wasmBytes({ x, y, code, expression, marked: marked === 0 ? undefined : marked - 1 });
  },
};

/** Draws a piece; rejects with an error that says what is wrong with what a reader chose. */
export async function drawPiece(name: string, settings: Settings): Promise<string> {
  if (!Object.hasOwn(draws, name)) throw new Error(`there is no piece ${name}`);
  // The settings are those of the piece's controls, which have the types that it takes.
  return (draws[name as PieceName] as (settings: Settings) => string | Promise<string>)(settings);
}
