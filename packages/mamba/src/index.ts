/**
 * @mambagrad/mamba: selective state spaces, from the scan to a language model that writes.
 */
export * from './biMamba.ts';
export * from './block.ts';
export * from './checkpoint.ts';
export { type CheckpointConfig, optionsOfConfig } from './checkpointConfig.ts';
export * from './convolution.ts';
export * from './generation.ts';
export * from './languageModel.ts';
export * from './mamba.ts';
export * from './mamba2.ts';
export * from './mambaND.ts';
export {
  alternatingOrder, columnOrder, crossOrders, inverseOrder, rasterOrder, reverseOrder,
  type ScanOrder,
} from './scanOrder.ts';
export * from './selectiveScan.ts';
export { SelectiveSSM, type SelectiveSSMOptions } from './selectiveSSM.ts';
export {
  type Pool, Recurrent, type Scanned, type ScanOptions, type SequenceFlags, type SequenceLayer,
} from './sequence.ts';
export * from './ssd.ts';
export { RecurrentStack, type StackState } from './recurrentStack.ts';
export { Residual } from './residual.ts';
export { Stack } from './stack.ts';
export { type BodyOptions, type EncoderOptions, type StackOptions } from './stackOptions.ts';
export * from './tasks.ts';
export * from './tokenizer.ts';
