/**
 * @mambagrad/nn: layers, losses, optimizers, data, training and checkpoints.
 */
export { Adam, type AdamOptions, AdamW } from './optimizers/adam.ts';
export { clipNorm, globalNorm } from './optimizers/clipping.ts';
export { Categories, type CategoriesOptions } from './data/categories.ts';
export * from './data/collate.ts';
export { type CsvOptions, formatCsv, type FormatCsvOptions, parseCsv } from './data/csv.ts';
export { type Column, type ColumnType } from './data/csvColumns.ts';
export { type Dataset, LazyDataset, mapDataset } from './data/dataset.ts';
export { type ColumnTypes, DataTable, type RowOf, type TableRow } from './data/dataTable.ts';
export * from './data/images.ts';
export {
  causalConv1d, CausalConv1d, Conv1d, conv1d, type ConvOptions,
} from './layers/conv.ts';
export * from './data/loader.ts';
export * from './data/regularSeries.ts';
export * from './data/scaling.ts';
export * from './data/splitData.ts';
export { tensorDataset } from './data/tensorDataset.ts';
export * from './data/windows.ts';
export * from './inference/compileForInference.ts';
export * from './inference/compileInEval.ts';
export * from './layers/dropout.ts';
export * from './layers/feedForward.ts';
export * from './optimizers/groups.ts';
export * from './layers/gru.ts';
export { initialize, type InitializeOptions, type Initializer } from './modules/init.ts';
export {
  Embedding, type EmbeddingOptions, type LayerOptions, layerOptions, Linear, linear,
} from './layers/linear.ts';
export * from './layers/lstm.ts';
export * from './losses/crossEntropy.ts';
export * from './losses/probabilities.ts';
export type { LossOptions } from './losses/counting.ts';
export * from './losses/regression.ts';
export { meanAbsoluteError } from './metrics/absoluteError.ts';
export { accuracy, topK } from './metrics/accuracy.ts';
export { type ConfusionMatrix, confusionMatrix, type F1, f1 } from './metrics/confusion.ts';
export {
  type ClassMetricOptions, measure, type Metric, MetricTotal, type Predictions, type Sums,
  type Totals,
} from './metrics/metric.ts';
export { perplexity } from './metrics/perplexity.ts';
export * from './modules/module.ts';
export * from './layers/norm.ts';
export {
  RecurrentLayer, type RecurrentLayerOptions, type RecurrentOptions, type RecurrentResult,
} from './layers/recurrent.ts';
export { Optimizer, type UpdateRule } from './optimizers/optimizer.ts';
export type {
  MinimizeOptions, OptimizerOptions, ParameterGroup, StepOptions, Trained,
} from './optimizers/optimizerOptions.ts';
export * from './optimizers/lion.ts';
export type { Moments } from './optimizers/slots.ts';
export * from './training/progress.ts';
export { plot, type PlotData, type PlotOptions } from './report/plot.ts';
export { type ReportOptions, reportPage } from './report/page.ts';
export {
  parseLog, type Numbers, type Run, type RunEvaluation, type RunEvent, type RunStep,
} from './report/run.ts';
export * from './optimizers/rmsprop.ts';
export * from './optimizers/schedules.ts';
export * from './layers/sequential.ts';
export * from './optimizers/sgd.ts';
export { WeightAverage, type WeightAverageOptions } from './optimizers/weightAverage.ts';
export { loadState, saveState, type StateDict } from './modules/state.ts';
export * from './modules/summary.ts';
export type { BestRecord } from './training/bestModel.ts';
export type { FitOptions } from './training/fitOptions.ts';
export type { BestOptions } from './training/judging.ts';
export {
  findLearningRate, LearningRateCurve, type LearningRateFinderOptions,
} from './training/learningRateFinder.ts';
export { Trainer } from './training/trainer.ts';
export type { Batches } from './training/batches.ts';
export type {
  CheckpointStore, Host, Log, PredictOptions, RunOptions, SamplesOptions, StepRecord,
  TrainerOptions,
} from './training/trainerOptions.ts';
export type {
  Evaluated, MetricsOf, NoScores, ValidationOptions,
} from './training/validationOptions.ts';
export type { Losses } from './training/batchLosses.ts';
export type { AnswerLoss, Answers, LossWeights } from './training/forward.ts';
export { encodeModel, parseModel } from './checkpoints/model.ts';
export {
  encodeSafetensors, parseSafetensors, type SafetensorsDType, type SafetensorsEntry,
  type SafetensorsOptions, SafetensorsReader, type SafetensorsSource,
} from './checkpoints/safetensors.ts';
