/**
 * @mambagrad/mamba: selective state spaces, from the scan to a language model.
 */
export { type BlockOptions, MambaBlock, ResidualBlock } from './block.ts';
export { MambaLM, type MambaLMOptions } from './languageModel.ts';
export { Mamba, type MambaOptions } from './mamba.ts';
export {
  selectiveScan,
  type SelectiveScanAlgorithm,
  type SelectiveScanOptions,
  type SelectiveScanResult,
} from './selectiveScan.ts';
export { Recurrent, type Scanned, type ScanOptions, type SequenceFlags } from './sequence.ts';
export {
  selectiveCopying,
  type SelectiveCopyingBatch,
  type SelectiveCopyingOptions,
} from './tasks.ts';
