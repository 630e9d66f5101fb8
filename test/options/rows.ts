/**
 * A row for each public function and class that takes options: the fewest that it can be called
 * with, and a call that shows all that the options decide. Properties in options.test.ts go through
 * all rows; a table of options that no row reaches fails there.
 */
import {
  associativeRecall, BiMamba, BiMambaBlock, byteTokenizer, counting, DepthwiseConv1d, discreteSSD, documentEnds, generate,
  generateText, generateTexts, inductionHeads, inductionHeadsInPieces, Mamba, Mamba2, Mamba2Block, Mamba3, Mamba3Block,
  MambaBlock, MambaLM, MambaND, observe, parity, sample, selectiveCopying, selectiveScan, SelectiveSSM, ssd,
} from '@mambagrad/mamba';
import { checkAssociative, checkRecurrent, checkScan, type ScanArguments } from '@mambagrad/mamba/testing';
import {
  Adam, AdamW, binaryCrossEntropyWithLogits, Categories, CausalConv1d, collate, compileForInference,
  compileInEval, conv1d, Conv1d, crossEntropy, DataLoader, Dropout, Embedding, encodeSafetensors,
  findLearningRate, formatCsv, GatedFeedForward, type GroupOptions, GRU, huberLoss, imageDataset,
  imagesToTensor, imageToTensor, initialize, klDivergence, l1Loss, LayerNorm, Linear, Lion, LSTM, mseLoss,
  nllLoss, type Optimizer, Parameter, type ParameterGroup, parameterGroups, parseCsv, Progress, regularSeries,
  RMSNorm, RMSprop, SGD, splitData, Trainer, type TrainerOptions, WeightAverage, windows,
} from '@mambagrad/nn';
import {
  accuracy, confusionMatrix, f1, type FitOptions, measure, perplexity, topK,
} from '@mambagrad/nn';
import { plot, reportPage } from '@mambagrad/nn';
import { browserRun, type BrowserRunOptions } from '@mambagrad/nn/browser';
import { runFolder, type RunFolderOptions } from '@mambagrad/nn/node';
import {
  arange, argsort, associativeScan, backward, bernoulli, clamp, compile, eye, full, fullLike, gelu,
  grad, gradcheck, hessianVectorProduct, jacobian, linearScan, linspace, norm, normal, ones,
  onesLike, pad, scan, sort, std, Tensor, tensor, uniform, valueAndGrad, var as variance, zeros,
  zerosLike,
} from '@mambagrad/tensor';
import { checkPrimitive, inspectPasses } from '@mambagrad/tensor/extend';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keyRanges, MemoryIndexedDB } from '../support/indexedDB.ts';

/** The interfaces of a call's options, the fewest of them, and what it gives with some. */
export interface Row {
  /** `package Interface Interface …` */
  readonly type: string;
  /** Made anew for each call. */
  readonly fewest: () => Readonly<Record<string, unknown>>;
  readonly run: (options: never) => unknown;
  /** Options that the types allow, but not beside the fewest. */
  readonly others?: readonly string[];
  /** What the call takes in the place of options. */
  readonly alsoTakes?: readonly unknown[];
}

/** A row of a call that needs no options at all. */
const free = (type: string, run: (options: never) => unknown): Row =>
  ({ type, fewest: () => ({}), run });

/** Numbers from −1 to 1 in no order, the same at each call. */
const some = (...shape: number[]): Tensor => {
  const count = shape.reduce((product, size) => product * size, 1);
  return tensor(Array.from({ length: count }, (_, i) => Math.sin(1 + 2.7 * i)), { shape });
};
const positive = (...shape: number[]): Tensor => some(...shape).abs().add(0.1);
const leaf = (...shape: number[]): Tensor => {
  const x = some(...shape);
  x.requiresGrad = true;
  return x;
};
const tokens = (...shape: number[]): Tensor => some(...shape).mul(100).cast('i32').abs();

/** What an optimizer makes of a parameter in three steps of which the second has clipped gradients. */
const trained = (make: (parameters: Parameter[]) => Optimizer): Tensor => {
  const parameter = new Parameter(some(4));
  const optimizer = make([parameter]);
  for (let step = 0; step < 3; step++) optimizer.minimize(parameter.mul(some(4).add(step)).sum());
  return parameter;
};

/** All that a generator gives. */
async function all<T>(given: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const each of given) found.push(each);
  return found;
}

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

/** A linear scan of arrays. */
function running(
  { a, b, sizes: { batch, length, channels } }: ScanArguments<'a' | 'b', Float32Array, Int32Array>,
): { y: Float32Array } {
  const y = b.slice();
  for (let i = channels; i < y.length; i++) {
    const isFirst = Math.floor(i / channels) % length === 0;
    if (!isFirst) y[i] += a[i] * y[i - channels];
  }
  return { y: y.subarray(0, batch * length * channels) };
}

const language = { vocabSize: 256, hiddenSize: 8, stateSize: 4, numLayers: 1 } as const;

/** The options that only blocks of one kind have. */
const ofMamba = ['dtRank', 'algorithm'];
const ofHeads = ['headDim', 'numGroups', 'chunkSize'];
const ofMamba2 = ['dHasHeadDim', 'normBeforeGate', 'normGroups', 'dtLimit'];
const ofMamba3 = [
  'ropeFraction', 'mimoRank', 'rotation', 'decay', 'aFloor', 'outputNorm', 'dtInit',
];
const ofConvolution = ['convSize', 'bias', 'convBias'];
/** Those that a model of each kind of blocks lacks. */
const notMamba = [...ofHeads, ...ofMamba2, ...ofMamba3];
const notMamba2 = [...ofMamba, ...ofMamba3];
/** And those that a scan without a block lacks. */
const notSSM = [...notMamba, ...ofConvolution, 'expandFactor'];
const notMamba3 = [...ofMamba, ...ofMamba2, ...ofConvolution];

/** A recurrent model and a block, made once, so that they are compiled once, and their inputs. */
const model = new MambaLM(language).eval();
const block = new MambaBlock({ hiddenSize: 8 });
const pair = new BiMambaBlock({ hiddenSize: 8 });
const narrow = { embedDim: 4, hiddenSize: 16 } as const;
const encoder = new Mamba(narrow).eval();
const [gru, lstm] = [new GRU(3, 2), new LSTM(3, 2)];
const [words, vectors] = [tokens(2, 3), some(2, 3, 8)];
const [seen] = observe(model, words).layers;

export const rows: Readonly<Record<string, Row>> = {
  tensor: free('tensor TensorOptions', (options) => tensor([1, 2, 3], options)),
  full: free('tensor CreateOptions', (options) => full([2], 3, options)),
  zeros: free('tensor CreateOptions', (options) => zeros([2], options)),
  ones: free('tensor CreateOptions', (options) => ones([2], options)),
  arange: free('tensor CreateOptions', (options) => arange(0, 3, 1, options)),
  linspace: free('tensor CreateOptions', (options) => linspace(0, 1, 3, options)),
  eye: free('tensor CreateOptions', (options) => eye(2, 3, options)),
  fullLike: free('tensor LikeOptions', (options) => fullLike(some(2), 3, options)),
  zerosLike: free('tensor LikeOptions', (options) => zerosLike(some(2), options)),
  onesLike: free('tensor LikeOptions', (options) => onesLike(some(2), options)),
  uniform: free('tensor RandomOptions', (options) => uniform([4], 0, 1, options)),
  normal: free('tensor RandomOptions', (options) => normal([4], 0, 1, options)),
  bernoulli: free('tensor RandomOptions', (options) => bernoulli([9], 0.5, options)),
  gelu: free('tensor GeluOptions', (options) => gelu(some(5), options)),
  clamp: free('tensor ClampOptions', (options) => clamp(some(5), options)),
  var: free('tensor VarianceOptions', (options) => variance(some(2, 3), 1, options)),
  std: free('tensor VarianceOptions', (options) => std(some(2, 3), 1, options)),
  norm: free('tensor NormOptions', (options) => norm(some(2, 3), 1, options)),
  argsort: free('tensor SortOptions', (options) => argsort(some(2, 3), options)),
  sort: free('tensor SortOptions', (options) => sort(some(2, 3), options)),
  pad: free('tensor PadOptions', (options) => pad(some(2, 3), [1, 0], [0, 2], options)),
  linearScan: free('tensor LinearScanOptions', (options) => linearScan(positive(5, 3), some(5, 3), options)),
  associativeScan: free('tensor AssociativeScanOptions', (options) =>
    associativeScan(([a], [b]) => [a.add(b)], [some(5, 3)], options),
  ),
  scan: free('tensor ScanOptions', (options) =>
    scan((a: Tensor, b: Tensor) => ({ state: a.add(b), output: a }), some(3), some(5, 3), options),
  ),
  grad: free('tensor GradOptions', (options) => {
    const x = leaf(3);
    return grad(x.square().sum(), [x], options);
  }),
  backward: free('tensor BackwardOptions', (options) => {
    const x = leaf(3);
    backward(x.square().sum(), options);
    return x.grad;
  }),
  valueAndGrad: free('tensor DerivativeOptions', (options) => valueAndGrad((x) => x.square().sum(), options)(some(3))),
  jacobian: free('tensor DerivativeOptions', (options) => jacobian((x) => x.square(), some(3), options)),
  hessianVectorProduct: free('tensor DerivativeOptions', (options) =>
    hessianVectorProduct((x) => x.exp().sum(), some(3), some(3), options),
  ),
  checkPrimitive: free('tensor CheckOptions', (options) => checkPrimitive((x) => x.exp(), [some(3)], options)),
  gradcheck: free('tensor GradcheckOptions', (options) => gradcheck((x) => x.exp(), [some(3).cast('f64')], options)),
  compile: free('tensor CompileOptions', (options) => compile((x: Tensor) => x.exp(), options)(some(5))),

  Parameter: free('nn ParameterOptions', (options) => [new Parameter(some(3), options).noWeightDecay]),
  loadStateDict: free('nn LoadOptions', (options) => {
    const layer = new Linear(2, 2);
    layer.loadStateDict(new Linear(2, 2).stateDict(), options);
    return layer;
  }),
  Linear: free('nn LayerOptions', (options) => new Linear(3, 2, options)),
  Embedding: free('nn EmbeddingOptions', (options) => new Embedding(3, 2, options)),
  RMSNorm: free('nn NormLayerOptions', (options) => new RMSNorm(3, options).forward(some(2, 3).mul(1e-3))),
  LayerNorm: free('nn NormLayerOptions', (options) => new LayerNorm(3, options).forward(some(2, 3).mul(1e-3))),
  Dropout: free('nn DropoutOptions', (options) => new Dropout(0.5, options).forward(some(9))),
  Conv1d: free('nn ConvOptions LayerOptions', (options) => new Conv1d(2, 2, 3, options).forward(some(1, 5, 2))),
  CausalConv1d: free('nn LayerOptions', (options) => new CausalConv1d(2, 3, options).forward(some(1, 5, 2))),
  conv1d: free('nn ConvOptions', (options) => conv1d(some(1, 5, 2), some(2, 2, 3), some(2), options)),
  GatedFeedForward: free('nn LayerOptions', (options) => new GatedFeedForward(3, 4, options)),
  GRU: free('nn RecurrentLayerOptions', (options) => new GRU(3, 2, options).forward(some(4, 4, 3))),
  LSTM: free('nn RecurrentLayerOptions', (options) => new LSTM(3, 2, options).forward(some(4, 4, 3))),
  'GRU.forward': free('nn RecurrentOptions', (options) => gru.forward(some(4, 2, 3), options)),
  'LSTM.forward': free('nn RecurrentOptions', (options) => lstm.forward(some(4, 2, 3), options)),
  initialize: free('nn InitializeOptions', (options) => initialize([3, 2], 'xavierNormal', options)),
  crossEntropy: free('nn CrossEntropyOptions', (options) => crossEntropy(some(2, 5), tensor([1, 4], { dtype: 'i32' }), options)),
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
  RMSprop: free('nn RMSpropOptions', (options) => trained((parameters) => new RMSprop(parameters, options))),
  Lion: free('nn LionOptions', (options) => trained((parameters) => new Lion(parameters, options))),
  AdamW: free('nn AdamOptions', (options) => trained((parameters) => new AdamW(parameters, options))),
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
  DataLoader: free('nn DataLoaderOptions', (options) => [...new DataLoader([...some(9).data], options)]),
  parseCsv: free('nn CsvOptions', (options) => [...parseCsv('a,b\n1,x\n,2020-01-01\n', options)]),
  formatCsv: free('nn FormatCsvOptions', (options) => formatCsv([{ a: 1, b: 'x,y' }], options)),
  Categories: free('nn CategoriesOptions', (options) => new Categories(['a', 'b'], options).size),
  splitData: {
    type: 'nn SplitDataOptions',
    fewest: () => ({ fractions: [0.5, 0.5] }), others: ['counts'], run: (options) => splitData([...some(9).data], options),
  },
  windows: {
    type: 'nn WindowOptions', fewest: () => ({ length: 2 }), run: (options) => [...windows(some(9), options)].map(({ target }) => target),
  },
  regularSeries: {
    type: 'nn RegularSeriesOptions', fewest: () => ({ every: 2 }), run: (options) => regularSeries([2, 8], [1, 2], options),
  },
  imageToTensor: free('nn ImageOptions', (options) => imageToTensor([[0, 255], [1, 2]], options)),
  imagesToTensor: free('nn ImageOptions', (options) => imagesToTensor([[[0, 255], [1, 2]]], options)),
  imageDataset: free('nn ImageOptions', (options) => imageDataset([[[0, 255], [1, 2]]], [3], options).at(0).image),
  inspectPasses: free('tensor InspectPassesOptions', (options) => inspectPasses((x: Tensor) => x.exp(), [some(5)], options)),
  compileForInference: free('tensor CompileOptions', (options) =>
    compileForInference(new Linear(2, 1), options).predict(some(3, 2))),
  compileInEval: free('tensor CompileOptions', (options) => compileInEval(new Linear(2, 1), (x: Tensor) => x.add(1), options)(some(3))),
  collate: free('nn CollateOptions', (options) => collate([[1, 2], [3, 4]], options)),
  encodeSafetensors: free('nn SafetensorsOptions', (options) => encodeSafetensors([['a', some(2)]], options)),
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
    const metrics = [accuracy(options), topK(2, options), confusionMatrix(3, options), f1(3, options), perplexity(options)];
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
  plot: free('nn PlotOptions', (options) => plot('{"step":1,"lr":0.1,"metrics":{"loss":1}}', options)),
  reportPage: free('nn ReportOptions', (options) => reportPage('{"step":1,"lr":0.1}', options)),

  selectiveScan: free('mamba SelectiveScanOptions', (options) =>
    selectiveScan(
      some(2, 5, 3), positive(2, 5, 3), positive(3, 4).neg(), some(2, 5, 4), some(2, 5, 4), options,
    ),
  ),
  ssd: free('mamba SSDOptions', (options) =>
    ssd(
      some(2, 5, 4, 3), positive(2, 5, 4), positive(4).neg(), some(2, 5, 2, 3), some(2, 5, 2, 3),
      options,
    ),
  ),
  documentEnds: {
    type: 'mamba SequenceFlags',
    fewest: () => ({ reset: tokens(2, 5) }), run: (flags) => documentEnds(flags, 2) },
  discreteSSD: free('mamba SSDOptions', (options) =>
    discreteSSD(
      some(2, 5, 4, 3), positive(2, 5, 4).neg(), some(2, 5, 2, 3), some(2, 5, 2, 3), options,
    ),
  ),
  SelectiveSSM: {
    type: 'mamba SelectiveSSMOptions',
    fewest: () => ({ channels: 4 }), run: (options) => new SelectiveSSM(options) },
  DepthwiseConv1d: free('nn LayerOptions', (options) => new DepthwiseConv1d(2, 3, options).forward(some(1, 5, 2))),
  MambaBlock: {
    type: 'mamba BlockOptions',
    fewest: () => ({ hiddenSize: 8 }),
    run: (options) => new MambaBlock(options).forward(some(1, 5, 8)),
  },
  Mamba2Block: {
    type: 'mamba Mamba2BlockOptions',
    fewest: () => ({ hiddenSize: 32 }),
    run: (options) => new Mamba2Block(options).forward(some(1, 5, 32)),
  },
  Mamba: {
    type: 'mamba MambaOptions', fewest: () => narrow, others: notMamba,
    run: (options) => new Mamba(options).forward(some(1, 5, 4)),
  },
  'Mamba.paramCount': {
    type: 'mamba MambaOptions', fewest: () => ({ embedDim: 4 }), others: notMamba,
    run: (options) => [Mamba.paramCount(options)],
  },
  'Mamba.outputSize': free('mamba EncoderOptions StackOptions BiMambaOptions', (options) => Mamba.outputSize(options)),
  'Mamba.forward': free('mamba SequenceFlags', (options) => encoder.forward(some(1, 5, 4), options)),
  'Mamba.predict': free('mamba SequenceFlags', (options) => encoder.predict(some(1, 5, 4), options)),
  Mamba2: {
    type: 'mamba MambaOptions', fewest: () => ({ ...narrow, headDim: 16 }),
    others: [...notMamba2, 'layer'],
    run: (options) => new Mamba2(options).forward(some(1, 5, 4)),
  },
  'Mamba2.paramCount': {
    type: 'mamba MambaOptions', fewest: () => ({ embedDim: 4 }), others: [...notMamba2, 'layer'],
    run: (options) => [Mamba2.paramCount(options)],
  },
  Mamba3Block: {
    type: 'mamba Mamba3BlockOptions',
    fewest: () => ({ hiddenSize: 32 }),
    run: (options) => new Mamba3Block(options).forward(some(1, 5, 32)),
  },
  Mamba3: {
    type: 'mamba MambaOptions', fewest: () => ({ ...narrow, headDim: 16 }),
    others: [...notMamba3, 'layer'],
    run: (options) => new Mamba3(options).forward(some(1, 5, 4)),
  },
  'Mamba3.paramCount': {
    type: 'mamba MambaOptions', fewest: () => ({ embedDim: 4 }), others: [...notMamba3, 'layer'],
    run: (options) => [Mamba3.paramCount(options)],
  },
  BiMamba: {
    type: 'mamba BiMambaOptions StackOptions', fewest: () => ({ embedDim: 4, hiddenSize: 16 }), others: notSSM,
    run: (options) => new BiMamba(options).forward(some(1, 5, 4)),
  },
  'BiMamba.paramCount': {
    type: 'mamba BiMambaOptions StackOptions', fewest: () => ({ embedDim: 4 }), others: notSSM,
    run: (options) => [BiMamba.paramCount(options)],
  },
  BiMambaBlock: {
    type: 'mamba BiMambaOptions StackOptions', fewest: () => ({ hiddenSize: 8 }), others: notSSM,
    run: (options) => new BiMambaBlock(options),
  },
  'BiMambaBlock.forward': free('mamba SequenceFlags', (options) => pair.forward(vectors, options)),
  MambaND: free('mamba MambaNDOptions', (options) =>
    new MambaND(() => new MambaBlock({ hiddenSize: 8 }), options).forward(some(1, 2, 3, 8)),
  ),
  MambaLM: {
    type: 'mamba MambaLMOptions',
    fewest: () => language,
    others: notMamba,
    run: (options) => new MambaLM(options).forward(tokens(1, 3)),
  },
  'MambaLM.forward': free('mamba SequenceFlags', (options) => model.forward(words, options)),
  'MambaLM.forwardSequence': free('mamba SequenceFlags', (options) => model.forwardSequence(words, options)),
  'MambaLM.scan': free('mamba SequenceOptions', (options) => model.scan(words, options)),
  'MambaLM.advance': free('mamba SequenceOptions', (options) => model.advance(words, options)),
  'MambaLM.prefill': free('mamba SequenceOptions', (options) => model.prefill(words, options)),
  'MambaBlock.forward': free('mamba SequenceFlags', (options) => block.forward(vectors, options)),
  'MambaBlock.scan': free('mamba SequenceOptions', (options) => block.scan(vectors, options)),
  observe: free('mamba ObserveOptions', (options) => observe(model, words, options).layers[0].delta),
  influence: free('mamba InfluenceOptions', (options) => seen.influence(options)),
  stateInfluence: free('mamba PartOptions', (options) => seen.stateInfluence(options)),
  retention: free('mamba RetentionOptions', (options) => seen.retention(options)),
  paramCount: {
    type: 'mamba MambaLMOptions',
    fewest: () => language,
    others: notMamba, run: (options) => [MambaLM.paramCount(options)] },
  selectiveCopying: free('mamba SelectiveCopyingOptions', (options) => selectiveCopying(2, options)),
  inductionHeads: free('mamba InductionHeadsOptions', (options) => inductionHeads(2, options)),
  inductionHeadsInPieces: free(
    'mamba InductionHeadsInPiecesOptions InductionHeadsOptions',
    (options) => {
      const { pieces, targets } = inductionHeadsInPieces(2, options);
      return [...pieces, targets];
    },
  ),
  associativeRecall: free('mamba AssociativeRecallOptions', (options) => associativeRecall(2, options)),
  counting: free('mamba CountingOptions', (options) => counting(2, options)),
  parity: free('mamba ParityOptions CountingOptions', (options) => parity(2, options)),
  checkAssociative: {
    type: 'mamba CheckAssociativeOptions', fewest: () => ({}), others: ['identity'],
    run: async (options) =>
      (await checkAssociative<readonly Tensor[]>(([a, b], [c, d]) => [a.add(c), b.add(d)], options))
        .checked,
  },
  checkScan: free('mamba CheckScanOptions', async (options) =>
    (await checkScan({ run: running }, options)).checked,
  ),
  'checkScan candidate': {
    type: 'mamba Float32Scan ArrayScan ScanFunctions', fewest: () => ({ run: running }),
    run: async (candidate) => (await checkScan(candidate, { seed: 1 })).checked,
  },
  checkRecurrent: {
    type: 'mamba CheckRecurrentOptions', fewest: () => ({ width: 2 }), others: ['vocabSize'],
    run: async (options) => (await checkRecurrent<Tensor>({
      scan: (x, { state = x.sum(1).mul(0) } = {}) => ({ y: x, state: state.add(x.sum(1)) }),
    }, options)).checked,
  },
  sample: free('mamba SampleOptions', (options) => sample(some(2, 5), options)),
  generate: {
    type: 'mamba GenerateOptions',
    fewest: () => ({ maxTokens: 3 }),
    run: (options) => all(generate(model, [[1, 2]], options)),
  },
  generateTexts: {
    type: 'mamba GenerateOptions',
    fewest: () => ({ maxTokens: 3 }),
    run: (options) => generateTexts(model, byteTokenizer, ['ab'], options),
  },
  generateText: {
    type: 'mamba GenerateOptions',
    fewest: () => ({ maxTokens: 3 }),
    run: (options) =>
      all(generateText(model, byteTokenizer, 'ab', options)),
  },
};
