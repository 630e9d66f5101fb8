/**
 * Long short-term memory. Beside h the state has a cell c, which is only scaled and added to, so
 * that its gradient can last over many steps. Gates between 0 and 1 decide, for each number of c,
 * how much of a new value g comes in (i, the input gate), how much of the old one stays (f, the
 * forget gate), and how much of it is shown (o, the output gate). From the projections p of the
 * input and q of h, in four parts each:
 *
 *     i, f, o = σ(p + q),    g = tanh(p_g + q_g)
 *     c′ = f ⊙ c + i ⊙ g,    h′ = o ⊙ tanh(c′)
 *
 * Hochreiter and Schmidhuber, "Long short-term memory" (1997); Gers et al., "Learning to forget"
 * (2000).
 */
import type { Tensor } from '@mambagrad/tensor';
import { partsOf, RecurrentLayer, type RecurrentLayerOptions } from './recurrent.ts';

/** The state of an `LSTM`. */
export interface LSTMState {
  /** The hidden vectors, [layers, batch, hiddenSize]. */
  readonly h: Tensor;
  /** The cells, [layers, batch, hiddenSize]. */
  readonly c: Tensor;
}

/** Long short-term memory, as `torch.nn.LSTM`; the gates in its weights are i, f, g and o. */
export class LSTM extends RecurrentLayer<LSTMState> {
  constructor(inputSize: number, hiddenSize: number, options: RecurrentLayerOptions = {}) {
    super(inputSize, hiddenSize, options, 4, ['h', 'c']);
  }

  protected cell(p: Tensor, q: Tensor, { c }: LSTMState): LSTMState {
    const [i, f, g, o] = partsOf(p.add(q), 4);
    const next = f.sigmoid().mul(c).add(i.sigmoid().mul(g.tanh()));
    return { h: o.sigmoid().mul(next.tanh()), c: next };
  }
}
