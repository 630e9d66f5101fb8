/** All pictures, by the name of their file in docs/pictures. */
import { draw as arena } from './arena.ts';
import { draw as broadcasting } from './broadcasting.ts';
import { draw as expressionGraph } from './expressionGraph.ts';
import { draw as fusionGroups } from './fusionGroups.ts';
import { draw as leakyIntegrator } from './leakyIntegrator.ts';
import { draw as loopNests } from './loopNests.ts';
import { draw as mambaBlock } from './mambaBlock.ts';
import { draw as matmulTiles } from './matmulTiles.ts';
import { draw as passes } from './passes.ts';
import { draw as remembered } from './remembered.ts';
import { draw as reverseSweep } from './reverseSweep.ts';
import { draw as runTimeline } from './runTimeline.ts';
import { draw as sampling } from './sampling.ts';
import { draw as scanMemory } from './scanMemory.ts';
import { draw as scanOrders } from './scanOrders.ts';
import { draw as scanTrees } from './scanTrees.ts';
import { draw as ssdChunk } from './ssdChunk.ts';
import { draw as ssdMatrix } from './ssdMatrix.ts';
import { draw as stridedView } from './stridedView.ts';
import { draw as threadsTimeline } from './threadsTimeline.ts';
import { draw as trainingLoss } from './trainingLoss.ts';
import { draw as wasmBytes } from './wasmBytes.ts';

/** A function for each picture, which draws it as the chapters show it. */
export const pictures: Readonly<Record<string, () => string | Promise<string>>> = {
  'arena': () => arena(),
  'broadcasting': () => broadcasting(),
  'expression-graph': () => expressionGraph(),
  'fusion-groups': () => fusionGroups(),
  'leaky-integrator': () => leakyIntegrator(),
  'loop-nests': () => loopNests(),
  'mamba-block': () => mambaBlock(),
  'matmul-tiles': () => matmulTiles(),
  'passes': () => passes(),
  'remembered': () => remembered(),
  'reverse-sweep': () => reverseSweep(),
  'run-timeline': () => runTimeline(),
  'sampling': () => sampling(),
  'scan-memory': () => scanMemory(),
  'scan-orders': () => scanOrders(),
  'scan-trees': () => scanTrees(),
  'ssd-chunk': () => ssdChunk(),
  'ssd-matrix': () => ssdMatrix(),
  'strided-view': () => stridedView(),
  'threads-timeline': () => threadsTimeline(),
  'training-loss': () => trainingLoss(),
  'wasm-bytes': () => wasmBytes(),
};
