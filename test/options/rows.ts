/**
 * A row for each public function and class that takes options: the fewest that it can be called
 * with, and a call that shows all that the options decide. Properties in options.test.ts go through
 * all rows; a table of options that no row reaches fails there.
 */
import {
  Adam, AdamW, binaryCrossEntropyWithLogits, Categories, CausalConv1d, collate, compileForInference,
  compileInEval, conv1d, Conv1d, crossEntropy, DataLoader, Dropout, Embedding, encodeSafetensors,
  findLearningRate, formatCsv, GatedFeedForward, type GroupOptions, GRU, huberLoss, imageDataset,
  imagesToTensor, imageToTensor, initialize, klDivergence, l1Loss, LayerNorm, Linear, Lion, LSTM,
  mseLoss, nllLoss, type Optimizer, Parameter, type ParameterGroup, parameterGroups, parseCsv,
  Progress, regularSeries, RMSNorm, RMSprop, SGD, splitData, Trainer, type TrainerOptions,
  WeightAverage, windows, accuracy, confusionMatrix, f1, type FitOptions, measure, perplexity, topK,
  plot, reportPage,
} from '@mambagrad/nn';
import { browserRun, type BrowserRunOptions } from '@mambagrad/nn/browser';
import { runFolder, type RunFolderOptions } from '@mambagrad/nn/node';
import { Tensor, tensor } from '@mambagrad/tensor';
import { inspectPasses } from '@mambagrad/tensor/extend';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keyRanges, MemoryIndexedDB } from '../support/indexedDB.ts';
import { mambaRows } from './mambaRows.ts';
import { free, positive, some, type Row } from './row.ts';
import { tensorRows } from './tensorRows.ts';

/**
 * What an optimizer makes of a parameter in three steps of which the second has clipped gradients.
 */
const trained = (make: (parameters: Parameter[]) => Optimizer): Tensor => {
  const parameter = new Parameter(some(4));
  const optimizer = make([parameter]);
  for (let step = 0; step < 3; step++) optimizer.minimize(parameter.mul(some(4).add(step)).sum());
  return parameter;
};

interface Batch {
  readonly x: Tensor;
  readonly z: Tensor;
}
const samples = Array.from({ length: 5 }, (_, i) => ({ x: [i, 1 - i], z: [Math.sin(i)] }));

/** The fewest options of a trainer. */
function training(): TrainerOptions<Batch> {
  const model = new Linear(2, 1);
  return {
    model,
    optimizer: new SGD(model.parameters(), { lr: 0.1 }),
    loss: ({ x, z }) => ({ loss: mseLoss(model.forward(x), z) }),
    data: new DataLoader(samples, { batchSize: 2 }),
  };
}

/** The files that are left in the folder of a run after four checkpoints. */
async function keptCheckpoints(options: RunFolderOptions): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'mambagrad-'));
  try {
    const { checkpoints } = runFolder(folder, options);
    for (const step of [1, 2, 3, 4]) await checkpoints.save(step, new Map([['x', some(1)]]));
    return readdirSync(folder).sort();
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The keys that are left in a browser's storage after four checkpoints. */
async function keptInBrowser(options: BrowserRunOptions): Promise<unknown> {
  const site = new MemoryIndexedDB();
  Object.assign(globalThis, { indexedDB: site, IDBKeyRange: keyRanges });
  try {
    const { checkpoints } = browserRun('a', options);
    for (const step of [1, 2, 3, 4]) await checkpoints.save(step, new Map([['x', some(1)]]));
    return site.keys('mambagrad', 'checkpoints');
  } finally {
    Object.assign(globalThis, { indexedDB: undefined, IDBKeyRange: undefined });
  }
}

/** What a model is after three steps of training, and what the trainer noted of them. */
async function trainedModel(
  options: TrainerOptions<Batch>, end: number | FitOptions = 3,
): Promise<unknown> {
  const trainer = new Trainer(options);
  await trainer.fit(end);
  return [options.model, trainer.stateDict()];
}

/** Made once, so that they are compiled once. */
const [gru, lstm] = [new GRU(3, 2), new LSTM(3, 2)];

export const rows: Readonly<Record<string, Row>> = {
  ...tensorRows,

  Parameter: free('nn ParameterOptions', (options) =>
    [new Parameter(some(3), options).noWeightDecay],
  ),
  loadStateDict: free('nn LoadOptions', (options) => {
    const layer = new Linear(2, 2);
    layer.loadStateDict(new Linear(2, 2).stateDict(), options);
    return layer;
  }),
  Linear: free('nn LayerOptions', (options) => new Linear(3, 2, options)),
  Embedding: free('nn EmbeddingOptions', (options) => new Embedding(3, 2, options)),
  RMSNorm: free('nn NormLayerOptions', (options) =>
    new RMSNorm(3, options).forward(some(2, 3).mul(1e-3)),
  ),
  LayerNorm: free('nn NormLayerOptions', (options) =>
    new LayerNorm(3, options).forward(some(2, 3).mul(1e-3)),
  ),
  Dropout: free('nn DropoutOptions', (options) => new Dropout(0.5, options).forward(some(9))),
  Conv1d: free('nn ConvOptions LayerOptions', (options) =>
    new Conv1d(2, 2, 3, options).forward(some(1, 5, 2)),
  ),
  CausalConv1d: free('nn LayerOptions', (options) =>
    new CausalConv1d(2, 3, options).forward(some(1, 5, 2)),
  ),
  conv1d: free('nn ConvOptions', (options) =>
    conv1d(some(1, 5, 2), some(2, 2, 3), some(2), options),
  ),
  GatedFeedForward: free('nn LayerOptions', (options) => new GatedFeedForward(3, 4, options)),
  GRU: free('nn RecurrentLayerOptions', (options) => new GRU(3, 2, options).forward(some(4, 4, 3))),
  LSTM: free('nn RecurrentLayerOptions', (options) =>
    new LSTM(3, 2, options).forward(some(4, 4, 3)),
  ),
  'GRU.forward': free('nn RecurrentOptions', (options) => gru.forward(some(4, 2, 3), options)),
  'LSTM.forward': free('nn RecurrentOptions', (options) => lstm.forward(some(4, 2, 3), options)),
  initialize: free('nn InitializeOptions', (options) =>
    initialize([3, 2], 'xavierNormal', options),
  ),
  crossEntropy: free('nn CrossEntropyOptions', (options) =>
    crossEntropy(some(2, 5), tensor([1, 4], { dtype: 'i32' }), options),
  ),
  nllLoss: free('nn NllOptions', (options) =>
    nllLoss(some(2, 5).logSoftmax(-1), tensor([1, 4], { dtype: 'i32' }), options),
  ),
  binaryCrossEntropyWithLogits: free('nn BinaryCrossEntropyOptions', (options) =>
    binaryCrossEntropyWithLogits(some(4), positive(4).minimum(1), options),
  ),
  klDivergence: free('nn KlDivergenceOptions', (options) =>
    klDivergence(some(2, 5).logSoftmax(-1), positive(2, 5).softmax(-1), options),
  ),
  mseLoss: free('nn LossOptions', (options) => mseLoss(some(4), positive(4), options)),
  l1Loss: free('nn LossOptions', (options) => l1Loss(some(4), positive(4), options)),
  huberLoss: free('nn HuberOptions', (options) => huberLoss(some(4).mul(3), positive(4), options)),
  SGD: free('nn SGDOptions', (options) => trained((parameters) => new SGD(parameters, options))),
  Adam: free('nn AdamOptions', (options) => trained((parameters) => new Adam(parameters, options))),
  RMSprop: free('nn RMSpropOptions', (options) =>
    trained((parameters) => new RMSprop(parameters, options)),
  ),
  Lion: free('nn LionOptions', (options) => trained((parameters) => new Lion(parameters, options))),
  AdamW: free('nn AdamOptions', (options) =>
    trained((parameters) => new AdamW(parameters, options)),
  ),
  group: {
    type: 'nn ParameterGroup',
    fewest: () => ({ params: [new Parameter(some(4))] }),
    run: (group: ParameterGroup) => {
      const optimizer = new SGD([group], { lr: 0.1 });
      optimizer.minimize(group.params[0].square().sum());
      return group.params;
    },
  },
  parameterGroups: {
    type: 'nn GroupOptions',
    fewest: () => ({ match: 'weight' }),
    run: (group: GroupOptions) =>
      parameterGroups(new Linear(2, 2), [group]).map(({ params, ...rest }) => [[...params], rest]),
  },
  WeightAverage: free('nn WeightAverageOptions', (options) => {
    const layer = new Linear(2, 2);
    const average = new WeightAverage(layer, options);
    for (let n = 0; n < 4; n++) {
      layer.weight.assign(some(2, 2).mul(n));
      average.update();
    }
    return [...average.stateDict()];
  }),
  findLearningRate: free('nn LearningRateFinderOptions', (options) =>
    Object.entries(findLearningRate(training(), options)),
  ),
  step: free('nn StepOptions', (options) => {
    const parameter = new Parameter(some(4));
    parameter.mul(some(4)).sum().backward();
    new SGD([parameter]).step(options);
    return parameter;
  }),
  minimize: free('nn MinimizeOptions', (options) => {
    const parameter = new Parameter(some(4));
    new SGD([parameter]).minimize(parameter.mul(some(4)).sum(), options);
    return parameter;
  }),
  DataLoader: free('nn DataLoaderOptions', (options) =>
    [...new DataLoader([...some(9).data], options)],
  ),
  parseCsv: free('nn CsvOptions', (options) => [...parseCsv('a,b\n1,x\n,2020-01-01\n', options)]),
  formatCsv: free('nn FormatCsvOptions', (options) => formatCsv([{ a: 1, b: 'x,y' }], options)),
  Categories: free('nn CategoriesOptions', (options) => new Categories(['a', 'b'], options).size),
  splitData: {
    type: 'nn SplitDataOptions',
    fewest: () => ({ fractions: [0.5, 0.5] }), others: ['counts'],
    run: (options) => splitData([...some(9).data], options),
  },
  windows: {
    type: 'nn WindowOptions', fewest: () => ({ length: 2 }),
    run: (options) => [...windows(some(9), options)].map(({ target }) => target),
  },
  regularSeries: {
    type: 'nn RegularSeriesOptions', fewest: () => ({ every: 2 }),
    run: (options) => regularSeries([2, 8], [1, 2], options),
  },
  imageToTensor: free('nn ImageOptions', (options) => imageToTensor([[0, 255], [1, 2]], options)),
  imagesToTensor: free('nn ImageOptions', (options) =>
    imagesToTensor([[[0, 255], [1, 2]]], options),
  ),
  imageDataset: free('nn ImageOptions', (options) =>
    imageDataset([[[0, 255], [1, 2]]], [3], options).at(0).image,
  ),
  inspectPasses: free('tensor InspectPassesOptions', (options) =>
    inspectPasses((x: Tensor) => x.exp(), [some(5)], options),
  ),
  compileForInference: free('tensor CompileOptions', (options) =>
    compileForInference(new Linear(2, 1), options).predict(some(3, 2))),
  compileInEval: free('tensor CompileOptions', (options) =>
    compileInEval(new Linear(2, 1), (x: Tensor) => x.add(1), options)(some(3)),
  ),
  collate: free('nn CollateOptions', (options) => collate([[1, 2], [3, 4]], options)),
  encodeSafetensors: free('nn SafetensorsOptions', (options) =>
    encodeSafetensors([['a', some(2)]], options),
  ),
  Trainer: { type: 'nn TrainerOptions', fewest: () => ({ ...training() }), run: trainedModel },
  validation: {
    type: 'nn ValidationOptions',
    fewest: () => ({ data: [{ x: some(2, 2), z: some(2, 1) }], every: 1 }),
    run: (validation) => trainedModel({ ...training(), validation }),
  },
  best: {
    type: 'nn BestOptions',
    fewest: () => ({ metric: 'loss', direction: 'min' }),
    run: (best) => trainedModel({
      ...training(), validation: { data: [{ x: some(2, 2), z: some(2, 1) }], every: 1, best },
    }),
  },
  metric: free('nn ClassMetricOptions', (options) => {
    const batch = { outputs: some(4, 3), targets: tensor([0, 2, -100, 1], { dtype: 'i32' }) };
    const metrics = [
      accuracy(options), topK(2, options), confusionMatrix(3, options), f1(3, options),
      perplexity(options),
    ];
    return metrics.map((metric) => measure<unknown>(metric, [batch]));
  }),
  samples: {
    type: 'nn SamplesOptions',
    fewest: () => ({ every: 1, make: () => 'text' }),
    run: (samples) => trainedModel({ ...training(), samples }),
  },
  fit: {
    type: 'nn FitOptions',
    fewest: () => ({ steps: 3 }),
    run: (options) => trainedModel(training(), options),
    others: ['epochs'],
    alsoTakes: [3],
  },
  Progress: {
    type: 'nn ProgressOptions',
    fewest: () => ({ total: 3, output: { write: () => true } }),
    run: (options) => new Progress(options).update(1, { loss: 1 }),
  },

  browserRun: free('nn BrowserRunOptions', keptInBrowser),
  runFolder: free('nn RunFolderOptions', keptCheckpoints),
  plot: free('nn PlotOptions', (options) =>
    plot('{"step":1,"lr":0.1,"metrics":{"loss":1}}', options),
  ),
  reportPage: free('nn ReportOptions', (options) => reportPage('{"step":1,"lr":0.1}', options)),

  ...mambaRows,
};
