/** The rows of what the mamba package exports. */
import {
  associativeRecall, BiMamba, BiMambaBlock, byteTokenizer, counting, DepthwiseConv1d, discreteSSD,
  documentEnds, generate, generateText, generateTexts, inductionHeads, inductionHeadsInPieces,
  Mamba, Mamba2, Mamba2Block, Mamba3, Mamba3Block, MambaBlock, MambaLM, MambaND, observe, parity,
  sample, selectiveCopying, selectiveScan, SelectiveSSM, ssd,
} from '@mambagrad/mamba';
import {
  checkAssociative, checkRecurrent, checkScan, type ScanArguments,
} from '@mambagrad/mamba/testing';
import { Tensor } from '@mambagrad/tensor';
import { all, free, positive, some, tokens, type Row } from './row.ts';

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
const [words, vectors] = [tokens(2, 3), some(2, 3, 8)];
const [seen] = observe(model, words).layers;

export const mambaRows: Readonly<Record<string, Row>> = {
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
  DepthwiseConv1d: free('nn LayerOptions', (options) =>
    new DepthwiseConv1d(2, 3, options).forward(some(1, 5, 2)),
  ),
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
  'Mamba.outputSize': free('mamba EncoderOptions StackOptions BiMambaOptions', (options) =>
    Mamba.outputSize(options),
  ),
  'Mamba.forward': free('mamba SequenceFlags', (options) =>
    encoder.forward(some(1, 5, 4), options),
  ),
  'Mamba.predict': free('mamba SequenceFlags', (options) =>
    encoder.predict(some(1, 5, 4), options),
  ),
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
    type: 'mamba BiMambaOptions StackOptions', fewest: () => ({ embedDim: 4, hiddenSize: 16 }),
    others: notSSM,
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
  'MambaLM.forwardSequence': free('mamba SequenceFlags', (options) =>
    model.forwardSequence(words, options),
  ),
  'MambaLM.scan': free('mamba SequenceOptions', (options) => model.scan(words, options)),
  'MambaLM.advance': free('mamba SequenceOptions', (options) => model.advance(words, options)),
  'MambaLM.prefill': free('mamba SequenceOptions', (options) => model.prefill(words, options)),
  'MambaBlock.forward': free('mamba SequenceFlags', (options) => block.forward(vectors, options)),
  'MambaBlock.scan': free('mamba SequenceOptions', (options) => block.scan(vectors, options)),
  observe: free('mamba ObserveOptions', (options) =>
    observe(model, words, options).layers[0].delta,
  ),
  influence: free('mamba InfluenceOptions', (options) => seen.influence(options)),
  stateInfluence: free('mamba PartOptions', (options) => seen.stateInfluence(options)),
  retention: free('mamba RetentionOptions', (options) => seen.retention(options)),
  paramCount: {
    type: 'mamba MambaLMOptions',
    fewest: () => language,
    others: notMamba, run: (options) => [MambaLM.paramCount(options)] },
  selectiveCopying: free('mamba SelectiveCopyingOptions', (options) =>
    selectiveCopying(2, options),
  ),
  inductionHeads: free('mamba InductionHeadsOptions', (options) => inductionHeads(2, options)),
  inductionHeadsInPieces: free(
    'mamba InductionHeadsInPiecesOptions InductionHeadsOptions',
    (options) => {
      const { pieces, targets } = inductionHeadsInPieces(2, options);
      return [...pieces, targets];
    },
  ),
  associativeRecall: free('mamba AssociativeRecallOptions', (options) =>
    associativeRecall(2, options),
  ),
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
