/**
 * A state that is a matrix: a memory that is written and read by keys. To write the value v (P
 * numbers) under the key k (N numbers), v kᵀ is added to the matrix; to read, it is multiplied by a
 * query q:
 *
 *     S_t = S_{t−1} + v_t k_tᵀ,     y_t = S_t q_t = Σ_{s ≤ t} (k_s · q_t) v_s
 *
 * So a query reads the values whose keys are like it: attention without a softmax ("linear
 * attention"; Katharopoulos et al., "Transformers are RNNs" (2020)). Unless something is forgotten,
 * the memory fills up. `RetNet`, `GatedLinearAttention` and `DeltaNet` differ in what they forget
 * before they write; they share projections, a norm and a gate. There are H heads with a memory
 * each.
 */
import type { Scanned, SSDResult } from '@mambagrad/mamba';
import { Linear, RMSNorm } from '@mambagrad/nn';
import { type Tensor, TensorError } from '@mambagrad/tensor';
import { readOptions, type Table, whole } from '@mambagrad/tensor/options';
import { LinearRNN, linearRNNOptions, type LinearRNNOptions } from './linearRNN.ts';

/** Options of a layer with a matrix as its state. */
export interface MatrixMemoryOptions extends LinearRNNOptions {
  /** H, a divisor of hiddenSize: each head has P = hiddenSize / H channels. Default 1. */
  readonly numHeads?: number | undefined;
}

/** The table of these options. */
export const matrixMemoryOptions = {
  ...linearRNNOptions,
  numHeads: whole(1).orElse(1),
} satisfies Table<MatrixMemoryOptions>;

/** The state of a layer with a memory. */
export type MatrixState = {
  /** [batch, H, P, N] */
  readonly S: Tensor;
};

/** What a memory is written and read with in each step. */
export interface Projections {
  /** The queries, [batch, length, H, N] */
  readonly q: Tensor;
  /** The keys, [batch, length, H, N] */
  readonly k: Tensor;
  /** The values, [batch, length, H, P] */
  readonly v: Tensor;
}

/** The base of these layers: projections to q, k and v, the memory, a norm and a gate. */
export abstract class MatrixMemory extends LinearRNN<MatrixState> {
  /** To q and k [H·N each], v and the gate [H·P each], in this order */
  readonly inProj: Linear;
  /** The norm of what each head reads; weight [P] */
  readonly norm: RMSNorm;
  readonly outProj: Linear;
  /** H, the number of memories. */
  readonly numHeads: number;
  /** P, the channels of a head. */
  readonly headDim: number;
  /** N, the numbers of a key. */
  readonly stateSize: number;

  constructor(options: MatrixMemoryOptions) {
    super();
    const op = new.target.name;
    const given = readOptions(op, options, matrixMemoryOptions);
    const { hiddenSize, numHeads, stateSize = 16, generator } = given;
    if (hiddenSize % numHeads !== 0) {
      throw new TensorError(
        `${op}: numHeads is ${numHeads}, expected a divisor of hiddenSize ${hiddenSize}`,
      );
    }
    this.numHeads = numHeads;
    this.headDim = hiddenSize / numHeads;
    this.stateSize = stateSize;
    const width = 2 * numHeads * stateSize + 2 * hiddenSize;
    this.inProj = new Linear(hiddenSize, width, { bias: false, generator });
    this.norm = new RMSNorm(this.headDim);
    this.outProj = new Linear(hiddenSize, hiddenSize, { bias: false, generator });
  }

  stateShapes(batch: number) {
    return { S: [batch, this.numHeads, this.headDim, this.stateSize] };
  }

  /** Writes and reads in each step that counts, from the memory S on; the decays come from x. */
  protected abstract remember(
    x: Tensor, parts: Projections, S: Tensor, mask: Tensor | undefined,
  ): SSDResult;

  /** [batch, length, H · width] to [batch, length, H, width] */
  protected inHeads(x: Tensor): Tensor {
    const { shape: [batch, length, width] } = x;
    return x.reshape([batch, length, this.numHeads, width / this.numHeads]);
  }

  protected read(
    x: Tensor, { S }: MatrixState, mask: Tensor | undefined,
  ): Scanned<MatrixState> {
    const [keys, values] = [this.numHeads * this.stateSize, this.numHeads * this.headDim];
    const parts = this.inProj.forwardInParts(x, [keys, keys, values, values]);
    const [q, k, v, gate] = parts.map((part) => this.inHeads(part));
    const { y, lastState } = this.remember(x, { q, k, v }, S, mask);
    const gated = this.norm.forward(y).mul(gate.silu());
    return { y: this.outProj.forward(gated.reshape(x.shape)), state: { S: lastState } };
  }
}
