/**
 * What a reader can change of each picture, in the site: controls by name, with what they say at
 * first. With these values a piece draws the picture of the chapter. Nothing is imported here, as a
 * page reads this before anything else is loaded.
 */

/** A number, by a slider; `plays` is what one moment adds to it while a reader watches. */
export interface RangeControl {
  readonly kind: 'range';
  readonly label: string;
  readonly min: number;
  readonly max: number;
  readonly step: number;
  readonly value: number;
  readonly plays?: number;
}

/** One of several values, by name and in words. */
export interface ChoiceControl {
  readonly kind: 'choice';
  readonly label: string;
  readonly options: Readonly<Record<string, string>>;
  readonly value: string;
}

/** Yes or no. */
export interface CheckControl {
  readonly kind: 'check';
  readonly label: string;
  readonly value: boolean;
}

/** Whatever a reader types. */
export interface TextControl {
  readonly kind: 'text';
  readonly label: string;
  readonly value: string;
}

/** A control of a piece. */
export type Control = RangeControl | ChoiceControl | CheckControl | TextControl;

/** The controls of a piece, by the names of the settings. */
export type Controls = Readonly<Record<string, Control>>;

/** What the controls of a piece say. */
export type Settings = Readonly<Record<string, number | string | boolean>>;

const range = (
  label: string, min: number, max: number, value: number,
  more: { readonly step?: number; readonly plays?: number } = {},
): RangeControl => ({ kind: 'range', label, min, max, value, step: 1, ...more });

const choice = (
  label: string, value: string, options: Readonly<Record<string, string>>,
): ChoiceControl => ({ kind: 'choice', label, options, value });

const check = (label: string, value = true): CheckControl => ({ kind: 'check', label, value });

const text = (label: string, value: string): TextControl => ({ kind: 'text', label, value });

/** The controls of all pieces, by the names of the pictures. */
export const controls = {
  'arena': {
    layers: range('Hidden layers', 1, 5, 2),
    batch: range('Batch size', 4, 96, 24, { step: 4 }),
    inPlace: check('Results in the memory of values that are not needed any more'),
  },
  'broadcasting': { a: text('Shape of a', '3, 1'), b: text('Shape of b', '4') },
  'expression-graph': {
    w: range('w', -4, 4, 2, { step: 0.5 }),
    x: range('x', -4, 4, 3, { step: 0.5 }),
    b: range('b', -4, 4, 1, { step: 0.5 }),
    y: range('y', -8, 8, 5, { step: 0.5 }),
    reached: range('Backward steps', 1, 8, 8, { plays: 0.1 }),
  },
  'fusion-groups': { group: check('Fuse ops into groups') },
  'leaky-integrator': {
    delta: range('Δ, in the middle', 0.02, 2, 0.3, { step: 0.02 }),
    a: range('Rate a of the leak', 0.2, 4, 1, { step: 0.1 }),
    input: choice('Input', 'pulses', {
      pulses: 'two pulses', step: 'a step', wave: 'a wave', spikes: 'spikes',
    }),
  },
  'loop-nests': {
    mul: check('x.mul(w)'), add: check('add(b)'), square: check('square()'),
    rows: range('Rows', 10, 200, 100, { step: 10 }),
    columns: range('Columns', 16, 256, 64, { step: 16 }),
  },
  'mamba-block': {
    hiddenSize: range('Width W', 2, 32, 8, { step: 2 }),
    expandFactor: range('Channels D / W', 1, 4, 2),
    stateSize: range('State size N', 1, 32, 4),
    convSize: range('Steps of the convolution', 1, 8, 4),
    length: range('Length', 1, 64, 5),
  },
  'matmul-tiles': {
    tiles: range('Tiles done', 0, 1799, 967, { plays: 1 }),
    rows: range('Rows of a', 288, 432, 300, { step: 4 }),
    columns: range('Columns of b', 16, 128, 64, { step: 8 }),
    depth: range('Columns of a', 128, 2048, 1200, { step: 16 }),
  },
  'passes': {
    share: check('Common subexpression elimination'), fold: check('Constant folding'),
    drop: check('Dead code elimination'), inline: check('Inlining into readers'),
    group: check('Fusion'),
  },
  'remembered': {
    token: range('Token to look at (0: all)', 0, 4, 0),
    channel: range('Channel to look at (0: none)', 0, 64, 0),
  },
  'reverse-sweep': {
    x: range('x', -3, 3, 2, { step: 0.5 }),
    visits: range('Ops visited', 0, 3, 3, { plays: 0.05 }),
  },
  'run-timeline': {
    killedAt: range('Killed after step', 1, 47, 27),
    checkpointEvery: range('Steps between checkpoints', 1, 30, 10),
  },
  'sampling': {
    temperature: range('Temperature, in the middle', 0.1, 3, 1, { step: 0.1 }),
    topP: range('topP', 0.05, 1, 0.9, { step: 0.05 }),
    topK: range('topK', 1, 8, 8),
  },
  'scan-memory': {
    stateSize: range('N, the numbers of state of a channel', 1, 64, 16),
    chunkSize: choice('Steps of a chunk', '32', {
      16: '16', 32: '32', 64: '64', 128: '128', 256: '256, the whole sequence',
    }),
  },
  'scan-orders': {
    rows: range('Rows', 2, 16, 8), columns: range('Columns', 2, 16, 8),
    order: choice('Order', 'all', {
      all: 'all four', raster: 'raster', columns: 'columns', zigzag: 'zigzag', Hilbert: 'Hilbert',
    }),
  },
  'scan-trees': {
    length: range('Length', 1, 32, 8), chunkSize: range('Chunk size', 1, 16, 4),
    algorithm: choice('Algorithm', 'all', {
      all: 'all four', sequential: 'sequential', hillisSteele: 'Hillis–Steele',
      blelloch: 'Blelloch', chunked: 'chunked',
    }),
  },
  'ssd-chunk': {
    chunkSize: range('Steps of the chunk', 1, 4, 4),
    stateSize: range('Numbers of state', 1, 3, 2),
  },
  'ssd-matrix': {
    length: range('Length', 4, 48, 16), chunkSize: range('Chunk size', 1, 16, 4),
    stateSize: range('State size', 1, 4, 2),
  },
  'strided-view': {
    op: choice('Op', 'all', {
      all: 'several', transpose: 'transpose', narrow: 'narrow', slice: 'slice with a step',
      flip: 'flip',
    }),
    axis: range('Axis', 0, 1, 1), start: range('Start of narrow, slice', 0, 3, 1),
    length: range('Length of narrow', 1, 4, 2), step: range('Step of slice', 1, 3, 2),
  },
  'threads-timeline': { until: range('Per cent of the time', 0, 100, 100, { plays: 1 }) },
  'training-loss': {
    steps: range('Steps of training', 0, 600, 300, { plays: 4 }),
    lr: range('Learning rate', 0.1, 3, 0.5, { step: 0.1 }),
    hidden: range('Hidden neurons', 1, 32, 16),
    seed: range('Seed of the weights', 1, 9, 1),
  },
  'wasm-bytes': {
    formula: choice('Expression', 'x·x + y', {
      'x·x + y': 'x·x + y', '(x + y)·(x − y)': '(x + y)·(x − y)', '(x + y)·x − y': '(x + y)·x − y',
    }),
    x: range('x', -4, 4, 3), y: range('y', -4, 4, 4),
    marked: range('Instruction to look at (0: none)', 0, 8, 0, { plays: 0.05 }),
  },
} satisfies Readonly<Record<string, Controls>>;

/** The name of a piece. */
export type PieceName = keyof typeof controls;
