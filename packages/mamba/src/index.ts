/**
 * @mambagrad/mamba: selective state spaces, from the scan to a language model that writes.
 */
export { type BlockOptions, type BlockState, MambaBlock, type Mixer } from './block.ts';
export * from './checkpoint.ts';
export * from './convolution.ts';
export * from './generation.ts';
export * from './languageModel.ts';
export * from './mamba.ts';
export * from './selectiveScan.ts';
export * from './selectiveSSM.ts';
export { Recurrent, type Scanned, type ScanOptions, type SequenceFlags } from './sequence.ts';
export * from './stack.ts';
export * from './tasks.ts';
export * from './tokenizer.ts';
