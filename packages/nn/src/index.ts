/**
 * @mambagrad/nn: layers, losses, optimizers, data, training and checkpoints.
 */
export { Adam, type AdamOptions, AdamW } from './optimizers/adam.ts';
export { clipNorm, globalNorm } from './optimizers/clipping.ts';
export * from './data/collate.ts';
export {
  causalConv1d, CausalConv1d, Conv1d, conv1d, type ConvOptions,
} from './layers/conv.ts';
export * from './data/loader.ts';
export * from './layers/dropout.ts';
export * from './layers/feedForward.ts';
export * from './layers/gru.ts';
export { initialize, type InitializeOptions, type Initializer } from './modules/init.ts';
export {
  Embedding, type EmbeddingOptions, type LayerOptions, layerOptions, Linear, linear,
} from './layers/linear.ts';
export * from './layers/lstm.ts';
export * from './losses/loss.ts';
export * from './modules/module.ts';
export * from './layers/norm.ts';
export {
  RecurrentLayer, type RecurrentLayerOptions, type RecurrentOptions, type RecurrentResult,
} from './layers/recurrent.ts';
export { Optimizer, type UpdateRule } from './optimizers/optimizer.ts';
export type {
  MinimizeOptions, OptimizerOptions, ParameterGroup, StepOptions, Trained,
} from './optimizers/optimizerOptions.ts';
export type { Moments } from './optimizers/slots.ts';
export * from './training/progress.ts';
export {
  parseLog, type Numbers, type Run, type RunEvaluation, type RunEvent, type RunStep,
} from './report/run.ts';
export * from './optimizers/schedules.ts';
export * from './layers/sequential.ts';
export * from './optimizers/sgd.ts';
export { loadState, saveState, type StateDict } from './modules/state.ts';
export * from './modules/summary.ts';
export { Trainer } from './training/trainer.ts';
export type {
  Batches, CheckpointStore, Host, Log, StepRecord, TrainerOptions, ValidationOptions,
} from './training/trainerOptions.ts';
export type { Losses } from './training/metrics.ts';
export {
  encodeSafetensors, type FileBytes, parseSafetensors, type SafetensorsDType, type SafetensorsEntry,
  type SafetensorsOptions, SafetensorsReader, type SafetensorsSource,
} from './checkpoints/safetensors.ts';
