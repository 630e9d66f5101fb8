/**
 * @mambagrad/nn: what it takes to train a small model.
 */
export * from './adam.ts';
export * from './collate.ts';
export * from './conv.ts';
export * from './data.ts';
export * from './dropout.ts';
export * from './feedForward.ts';
export { initialize, type InitializeOptions, type Initializer } from './init.ts';
export { Embedding, type LayerOptions, Linear, linear } from './linear.ts';
export * from './loss.ts';
export * from './module.ts';
export * from './norm.ts';
export * from './optimizer.ts';
export * from './progress.ts';
export * from './schedules.ts';
export * from './sequential.ts';
export * from './sgd.ts';
export { loadState, saveState, type StateDict } from './state.ts';
export * from './summary.ts';
export * from './trainer.ts';
export {
  encodeSafetensors, parseSafetensors, type SafetensorsDType, type SafetensorsEntry,
  type SafetensorsOptions, SafetensorsReader, type SafetensorsSource,
} from './safetensors.ts';
