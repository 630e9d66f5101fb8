/**
 * @mambagrad/nn: what it takes to train a small model.
 */
export { AdamW, type AdamWOptions, clipNorm, type MinimizeOptions } from './adamw.ts';
export { CausalConv1d, causalConv1d } from './conv.ts';
export { Embedding, type LayerOptions, Linear, linear } from './linear.ts';
export { crossEntropy, type CrossEntropyOptions } from './loss.ts';
export { Module, Parameter, type ParameterOptions } from './module.ts';
export { LayerNorm, layerNorm, RMSNorm, rmsNorm } from './norm.ts';
export {
  formatTime,
  type Metrics,
  Progress,
  type ProgressOptions,
  type ProgressOutput,
} from './progress.ts';
export {
  encodeSafetensors, parseSafetensors, type SafetensorsDType, type SafetensorsEntry,
  type SafetensorsOptions, SafetensorsReader, type SafetensorsSource,
} from './safetensors.ts';
