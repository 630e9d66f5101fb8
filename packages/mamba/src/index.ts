/**
 * @mambagrad/mamba: selective state space models, from the scan to a language model that generates
 * text.
 */
export * from './models/biMamba.ts';
export {
  type BlockOptions, type BlockState, type BlockStateShapes, MambaBlock, type MambaState, Mixer,
} from './layers/block.ts';
export * from './checkpoints/checkpoint.ts';
export { type CheckpointConfig, optionsOfConfig } from './checkpoints/config.ts';
export { loadOptimizerState, saveOptimizerState } from './checkpoints/optimizerState.ts';
export * from './layers/convolution.ts';
export * from './text/generation.ts';
export type { Moment } from './text/reading.ts';
export { MambaLM, type MambaLMOptions } from './models/languageModel.ts';
export * from './models/mamba.ts';
export {
  type GatedNormOptions, gatedRmsNorm, Mamba2Block, type Mamba2BlockOptions,
} from './layers/mamba2.ts';
export { decayRate, Mamba3Block, type Mamba3State } from './layers/mamba3.ts';
export { type DecayRate, type Mamba3BlockOptions } from './layers/mamba3Options.ts';
export * from './models/mambaND.ts';
export { observe, type Observation, type ObserveOptions } from './observe/observe.ts';
export { ObservedLayer } from './observe/observedLayer.ts';
export {
  type ChannelOptions, type InfluenceOptions, type PartOptions, type RetentionOptions,
  type StepRange,
} from './observe/parts.ts';
export { type Recurrence, type Trapezoid } from './layers/recurrence.ts';
export {
  alternatingOrder, columnOrder, crossOrders, hilbertOrder, inverseOrder, rasterOrder, reverseOrder,
  type ScanOrder, zigzagOrder,
} from './sequence/scanOrder.ts';
export { type Pairing } from './ops/rotation/rotate.ts';
export * from './ops/selectiveScan/selectiveScan.ts';
export { SelectiveSSM, type SelectiveSSMOptions } from './layers/selectiveSSM.ts';
export {
  type Pool, Recurrent, type Scanned, type SequenceFlags, type SequenceLayer, type SequenceOptions,
} from './sequence/sequence.ts';
export { type SSDResult } from './ops/ssd/composed.ts';
export { documentEnds } from './sequence/documents.ts';
export { discreteSSD, type SSDAlgorithm, type SSDOptions } from './ops/ssd/discrete.ts';
export { ssd } from './ops/ssd/ssd.ts';
export { RecurrentStack, type StackState } from './models/recurrentStack.ts';
export { Residual } from './layers/residual.ts';
export { Stack } from './models/stack.ts';
export {
  type BodyOptions, type EncoderOptions, type LayerKind, type StackOptions,
} from './models/stackOptions.ts';
export { associativeRecall, type AssociativeRecallOptions } from './tasks/associativeRecall.ts';
export { type TaskBatch } from './tasks/batch.ts';
export * from './tasks/counting.ts';
export * from './tasks/inductionHeads.ts';
export * from './tasks/selectiveCopying.ts';
export { type CharacterTokenizer, characterTokenizer } from './text/characterTokenizer.ts';
export { byteTokenizer, type TextStream, type Tokenizer } from './text/tokenizer.ts';
