/** What several benchmarks run: a training step, a decoder, the inputs of a selective scan. */
import { type LayerKind, MambaLM, sample, selectiveScan, type StackState } from '@mambagrad/mamba';
import { AdamW, crossEntropy } from '@mambagrad/nn';
import {
  compile, grad, integers, manualSeed, noGrad, normal, type Tensor, uniform, zeros,
} from '@mambagrad/tensor';

export interface ModelSizes {
  readonly layer?: LayerKind;
  readonly vocab: number;
  readonly hidden: number;
  readonly layers: number;
  readonly state: number;
  /** The channels of a head of a Mamba-2 or Mamba-3 layer. */
  readonly headDim?: number;
}

export interface StepSizes extends ModelSizes {
  readonly batch: number;
  readonly length: number;
}

function makeModel(given: ModelSizes): MambaLM {
  const { layer = 'mamba', vocab, hidden, layers, state, headDim = 64 } = given;
  manualSeed(1);
  const sizes = { vocabSize: vocab, hiddenSize: hidden, stateSize: state, numLayers: layers };
  return new MambaLM({ ...sizes, layer, ...(layer !== 'mamba' && { headDim }) });
}

/** A training step of a language model, and a batch for it; `step` gives the loss. */
export function trainingStep(sizes: StepSizes) {
  const model = makeModel(sizes);
  const optimizer = new AdamW(model.parameters(), { lr: 1e-3 });
  const [tokens, targets] = [0, 1].map(() =>
    integers([sizes.batch, sizes.length], 0, sizes.vocab),
  );
  const step = (tokens: Tensor, targets: Tensor): Tensor => {
    const loss = crossEntropy(model.forward(tokens), targets);
    optimizer.minimize(loss);
    return loss;
  };
  return { model, step, tokens, targets };
}

/** A token for each row of a batch, and all that was read before. */
export interface Reading {
  readonly token: Tensor;
  readonly state: StackState;
}

/** Reads a token a row and gives the likeliest next ones: `next(reading)`, from `start`. */
export function decoder(sizes: ModelSizes, batch: number) {
  const model = makeModel(sizes);
  const next = ({ token, state }: Reading): Reading =>
    noGrad(() => {
      const read = model.scan(token.unsqueeze(1), { state }, true);
      return { token: sample(read.y, { temperature: 0 }), state: read.state };
    });
  const start = { token: zeros([batch], { dtype: 'i32' }), state: model.initialState(batch) };
  return { next, start };
}

/**
 * Inputs u, delta, A, B, C of a selective scan, of sizes such as a model has at its start. Drawn by
 * a compiled function, as they may be many.
 */
export function scanInputs(batch: number, length: number, channels: number, state: number) {
  const draw = compile(() => ({
    u: normal([batch, length, channels]),
    delta: uniform([batch, length, channels], 0.001, 0.1),
    A: uniform([channels, state], -16, -1),
    B: normal([batch, length, state]),
    C: normal([batch, length, state]),
  }));
  const { u, delta, A, B, C } = draw();
  return [u, delta, A, B, C] as const;
}

type ScanInputs = Parameters<typeof scanForward>;

/** y of the scan. */
export const scanForward = (u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor): Tensor =>
  selectiveScan(u, delta, A, B, C).y;

/** The gradients of every input, which must require them. */
export const scanBackward = (...inputs: ScanInputs): Tensor[] =>
  grad(scanForward(...inputs).square().sum(), inputs);
