/**
 * @mambagrad/mamba: selective state spaces, from the scan to a language model.
 */
export { type BlockOptions, MambaBlock, ResidualBlock } from './block.ts';
export { MambaLM, type MambaLMOptions } from './languageModel.ts';
export { Mamba, type MambaOptions } from './mamba.ts';
export { ssd, type SSDOptions, type SSDResult, ssdStep } from './ssd.ts';
export {
  selectiveScan,
  type SelectiveScanAlgorithm,
  type SelectiveScanOptions,
  type SelectiveScanResult,
} from './selectiveScan.ts';
export {
  selectiveCopying,
  type SelectiveCopyingBatch,
  type SelectiveCopyingOptions,
} from './tasks.ts';
