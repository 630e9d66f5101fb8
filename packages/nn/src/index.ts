/**
 * @mambagrad/nn: what it takes to train a small model.
 */
export { Adam, type AdamOptions, AdamW } from './adam.ts';
export { clipNorm, globalNorm } from './clipping.ts';
export * from './collate.ts';
export {
  causalConv1d, CausalConv1d, Conv1d, conv1d, type ConvOptions,
} from './conv.ts';
export * from './data.ts';
export * from './dropout.ts';
export * from './feedForward.ts';
export { initialize, type InitializeOptions, type Initializer } from './init.ts';
export {
  Embedding, type EmbeddingOptions, type LayerOptions, layerOptions, Linear, linear,
} from './linear.ts';
export * from './loss.ts';
export * from './module.ts';
export * from './norm.ts';
export {
  type MinimizeOptions, type Moments, type Move, Optimizer, type OptimizerOptions,
  type ParameterGroup, type StepOptions, type Trained,
} from './optimizer.ts';
export * from './progress.ts';
export * from './schedules.ts';
export * from './sequential.ts';
export * from './sgd.ts';
export { loadState, saveState, type StateDict } from './state.ts';
export * from './summary.ts';
export { Trainer } from './trainer.ts';
export type {
  Batches, CheckpointStore, Host, Log, StepRecord, TrainerOptions, ValidationOptions,
} from './trainerOptions.ts';
export type { Losses } from './metrics.ts';
export {
  encodeSafetensors, parseSafetensors, type SafetensorsDType, type SafetensorsEntry,
  type SafetensorsOptions, SafetensorsReader, type SafetensorsSource,
} from './safetensors.ts';
