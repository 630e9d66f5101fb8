/**
 * @mambagrad/mamba/testing: the properties to which this repository holds its scans, for scans of
 * your own, in JavaScript or anything that it can call, such as a kernel on a GPU:
 *
 *     import { checkScan, selectiveRecurrence } from '@mambagrad/mamba/testing';
 *
 *     await checkScan({
 *       supports: ['initialState', 'lastState'],
 *       run: ({ u, delta, A, B, C, initialState, sizes }) => myScan(…), // gives { y, lastState }
 *     }, { reference: selectiveRecurrence });
 *
 * It needs fast-check, which you install beside it.
 */
export type {
  Float32Scan, Float64Scan, ScanAbility, ScanArguments, ScanCandidate, ScanCotangents, ScanResults,
  StepResults, TensorScan,
} from './testing/candidate.ts';
export {
  associativeProperties, type AssociativeProperty, checkAssociative, type CheckAssociativeOptions,
  type ElementSource,
} from './testing/checkAssociative.ts';
export { checkRecurrent, type CheckRecurrentOptions } from './testing/checkRecurrent.ts';
export { checkScan, type CheckScanOptions } from './testing/checkScan.ts';
export { PropertyError } from './testing/failure.ts';
export { scanProperties, type ScanProperty } from './testing/properties.ts';
export type {
  RecurrentModel, RecurrentOptions, RecurrentResults,
} from './testing/recurrentModel.ts';
export { recurrentProperties, type RecurrentProperty } from './testing/recurrentProperties.ts';
export type { ScanInput, ScanReference, Sizes } from './testing/reference.ts';
export { linearRecurrence, selectiveRecurrence, ssdRecurrence } from './testing/references.ts';
export type { CheckedProperty, CheckReport, LeftOutProperty } from './testing/report.ts';
export {
  type ScanVectors, scanVectors, type VectorArray, type VectorCase,
} from './testing/vectors.ts';
