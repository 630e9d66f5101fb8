/**
 * @mambagrad/mamba: selective state spaces, from the scan to a language model.
 */
export { BiMamba, BiMambaBlock, type BiMambaOptions } from './biMamba.ts';
export { type BlockOptions, MambaBlock, ResidualBlock } from './block.ts';
export { MambaLM, type MambaLMOptions } from './languageModel.ts';
export { Mamba, type MambaOptions } from './mamba.ts';
export {
  gatedRmsNorm, Mamba2, Mamba2Block, type Mamba2BlockOptions, type Mamba2Options, type Mamba2State,
} from './mamba2.ts';
export { MambaND, type MambaNDOptions } from './mambaND.ts';
export {
  alternatingOrder, columnOrder, crossOrders, inverseOrder, rasterOrder, reverseOrder,
  type ScanOrder,
} from './scanOrder.ts';
export { SelectiveSSM, type SelectiveSSMOptions } from './selectiveSSM.ts';
export {
  RecurrentModel, Residual, type SequenceBlock, type SequenceLayer, SequenceModel,
  type SequenceModelOptions,
} from './sequenceModel.ts';
export { ssd, type SSDOptions, type SSDResult, ssdStep } from './ssd.ts';
export {
  selectiveScan, type SelectiveScanAlgorithm, type SelectiveScanOptions, type SelectiveScanResult,
} from './selectiveScan.ts';
export {
  selectiveCopying, type SelectiveCopyingBatch, type SelectiveCopyingOptions,
} from './tasks.ts';
