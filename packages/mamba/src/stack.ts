/**
 * Blocks on top of each other, each a residual step x + block(norm(x)): the body that the models
 * share. What differs is how the first input is made and how the last result is read.
 */
import { RMSNorm } from '@mambagrad/nn';
import { compile, type DType, noGrad, type Tensor, uniform } from '@mambagrad/tensor';
import { type BlockOptions, type BlockState, MambaBlock, type Mixer } from './block.ts';
import { lastStep, Recurrent, type ScanOptions, type Scanned } from './sequence.ts';

export interface StackOptions extends BlockOptions {
  /** The kind of the blocks. Default `mamba`. */
  readonly layer?: 'mamba';
  /** The number of blocks. Default 2. */
  readonly numLayers?: number;
  /** ε of the norms. Default 1e-5. */
  readonly normEps?: number;
  /** The share of a block's results that is left out in training. Default 0. */
  readonly dropout?: number;
}

/** The kinds of blocks there are: classes of mixers, each with a `paramCount`. */
const mixers = { mamba: MambaBlock };

/** A block with its normalisation and residual connection. */
export class ResidualBlock extends Recurrent<BlockState> {
  readonly norm: RMSNorm;
  readonly mixer: Mixer;
  readonly #dropout: number;

  constructor(options: StackOptions) {
    super();
    const { hiddenSize, layer = 'mamba', normEps = 1e-5, dropout = 0 } = options;
    this.norm = new RMSNorm(hiddenSize, { eps: normEps });
    this.mixer = new mixers[layer](options);
    this.#dropout = dropout;
  }

  initialState(batch: number): BlockState {
    return this.mixer.initialState(batch);
  }

  /** x and y [batch, length, hidden] */
  scan(x: Tensor, options?: ScanOptions<BlockState>): Scanned<BlockState> {
    const { y, state } = this.mixer.scan(this.norm.forward(x), options);
    return { y: x.add(dropOut(y, this.#dropout)), state };
  }
}

/**
 * Each number becomes 0 with the given probability, and the others grow to make up for it. Only
 * while gradients are recorded: under `noGrad` nothing is left out.
 */
function dropOut(x: Tensor, probability: number): Tensor {
  if (probability === 0 || !x.requiresGrad) return x;
  return uniform(x.shape).less(probability).where(0, x.div(1 - probability));
}

/** The state of every layer. */
export type StackState = readonly BlockState[];

export abstract class Stack extends Recurrent<StackState> {
  abstract readonly layers: readonly ResidualBlock[];
  #advance: ((x: Tensor, options: ScanOptions<StackState>) => Scanned<StackState>) | undefined;

  /** The number of values that the blocks and their norms learn. */
  static layersParamCount(options: StackOptions): number {
    const { numLayers = 2, layer = 'mamba', hiddenSize } = options;
    return numLayers * (mixers[layer].paramCount(options) + hiddenSize);
  }

  /** From the model's input to [batch, length, hidden]. */
  protected abstract embed(x: Tensor): Tensor;

  /** From [..., hidden] to the model's result. */
  protected abstract read(h: Tensor): Tensor;

  initialState(batch: number): StackState {
    return this.layers.map((layer) => layer.initialState(batch));
  }

  /** With `lastOnly`, y is the result of the last step that is no padding, [batch, ...]. */
  scan(x: Tensor, options: ScanOptions<StackState> = {}, lastOnly = false): Scanned<StackState> {
    const { state, ...flags } = options;
    let h = this.embed(x);
    const next = this.layers.map((layer, i) => {
      const scanned = layer.scan(h, { ...flags, state: state?.[i] });
      h = scanned.y;
      return scanned.state;
    });
    return { y: this.read(lastOnly ? lastStep(h, flags.mask) : h), state: next };
  }

  /** `scan` for use, with `lastOnly`: compiled, once for each shape of x, without gradients. */
  advance(x: Tensor, options: ScanOptions<StackState> = {}): Scanned<StackState> {
    this.#advance ??= compile((piece, rest) => noGrad(() => this.scan(piece, rest, true)));
    return this.#advance(x, options);
  }

  /** A single step, compiled, without gradients, in the same time however many came before. */
  override step(x: Tensor, state: StackState): Scanned<StackState> {
    return this.advance(x.unsqueeze(1), { state });
  }

  override to(dtype: DType): this {
    // The program holds on to the parameters that there were.
    this.#advance = undefined;
    return super.to(dtype);
  }
}
