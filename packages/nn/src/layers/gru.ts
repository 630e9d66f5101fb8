/**
 * The gated recurrent unit. Two gates between 0 and 1 decide, for each number of h, how much of the
 * state is read to make a new value n (r, the reset gate), and how much of the old value stays (z,
 * the update gate). From the projections p of the input and q of h, in three parts each:
 *
 *     r = σ(p_r + q_r),    z = σ(p_z + q_z),    n = tanh(p_n + r ⊙ q_n)
 *     h′ = (1 − z) ⊙ n + z ⊙ h
 *
 * Cho et al., "Learning phrase representations using RNN encoder–decoder" (2014). As in PyTorch, r
 * multiplies after the product with W_hh, so that one product gives all three parts.
 */
import type { Tensor } from '@mambagrad/tensor';
import { partsOf, RecurrentLayer, type RecurrentLayerOptions } from './recurrent.ts';

/** The state of a `GRU`. */
export interface GRUState {
  /** The hidden vectors, [layers, batch, hiddenSize]. */
  readonly h: Tensor;
}

/** Gated recurrent units, as `torch.nn.GRU`; the gates in its weights are r, z and n. */
export class GRU extends RecurrentLayer<GRUState> {
  constructor(inputSize: number, hiddenSize: number, options: RecurrentLayerOptions = {}) {
    super(inputSize, hiddenSize, options, 3, ['h']);
  }

  protected cell(p: Tensor, q: Tensor, { h }: GRUState): GRUState {
    const [inputR, inputZ, inputN] = partsOf(p, 3);
    const [hiddenR, hiddenZ, hiddenN] = partsOf(q, 3);
    const r = inputR.add(hiddenR).sigmoid();
    const z = inputZ.add(hiddenZ).sigmoid();
    const n = inputN.add(r.mul(hiddenN)).tanh();
    return { h: n.add(z.mul(h.sub(n))) };
  }
}
