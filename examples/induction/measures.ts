/** How a model does at a length, and why: the step sizes of its channels at noise and a token. */
import { inductionHeads, inductionHeadsInPieces, type MambaLM, observe } from '@mambagrad/mamba';
import { Generator, type Tensor } from '@mambagrad/tensor';
import { lossOf } from './recipe.ts';

/** How a model does on sequences of one length. */
export interface Score {
  readonly length: number;
  readonly count: number;
  readonly right: number;
  readonly loss: number;
}

/** The number of sequences to test a length with, as many as the paper's or a few less. */
export function countAt(exponent: number): number {
  return exponent <= 12 ? 64 : exponent <= 16 ? 16 : exponent <= 20 ? 8 : 4;
}

/** Tokens read at once, in all rows together. */
const PIECE = 8192;

/** Reads `count` sequences in pieces, with the state from each to the next: memory is constant. */
export function scoreAt(model: MambaLM, length: number, count: number, seed: number): Score {
  const [vocabSize] = model.embedding.weight.shape;
  const { pieces, targets } = inductionHeadsInPieces(count, {
    length, vocabSize, pieceLength: Math.ceil(PIECE / count), generator: new Generator(seed),
  });
  // Before the first piece there are no logits; of the targets' place nothing is read.
  let [state, logits] = [model.initialState(count), targets];
  for (const piece of pieces) ({ state, y: logits } = model.advance(piece, { state }));
  const right = logits.argmax(-1).equal(targets).sum().item();
  return { length, count, right, loss: lossOf(logits, targets).item() };
}

/** What a channel does with noise, and with the token to be remembered. */
export interface Channel {
  readonly layer: number;
  readonly channel: number;
  /** Δ at each step of a sequence of the task. */
  readonly delta: readonly number[];
  /** The largest Δ where the special token or the one behind it is near. */
  readonly atToken: number;
  /** The mean of Δ far from them. */
  readonly atNoise: number;
  /** The longest half-life of its states at noise, in steps. */
  readonly halfLife: number;
  /** How many of its states, of all, decay at noise by a factor that is 1 in float32. */
  readonly kept: number;
}

/** The convolutions of both layers together look this many steps back. */
const REACH = 7;

/** The channels that open most at the token, of each layer, and where the token is. */
export function lookAt(model: MambaLM, seed: number, perLayer: number) {
  const [vocabSize] = model.embedding.weight.shape;
  const length = 256;
  const generator = new Generator(seed);
  let inputs: Tensor;
  let place: number;
  // Enough noise comes after the token in the first half only.
  do {
    ({ inputs } = inductionHeads(1, { length, vocabSize, generator }));
    place = inputs.data.indexOf(vocabSize - 1);
  } while (place > length / 2);
  const isNoise = (t: number) => t >= REACH && t < length - 1 && (t < place || t > place + REACH);
  const { layers } = observe(model, inputs);
  const channels = layers.map((observed, layer) => {
    const all = Array.from({ length: observed.delta.shape[2] }, (_, channel): Channel => {
      const delta = observed.delta.narrow(2, channel, 1).flatten().toArray() as number[];
      const near = delta.slice(place, Math.min(place + REACH + 1, length - 1));
      const noise = delta.filter((_, t) => isNoise(t));
      const atNoise = noise.reduce((sum, each) => sum + each, 0) / noise.length;
      const rates = observed.A.narrow(0, channel, 1).flatten().toArray() as number[];
      const slowest = Math.max(...rates);
      const kept = rates.filter((rate) => Math.fround(Math.exp(atNoise * rate)) === 1).length;
      return {
        layer, channel, delta, atNoise, atToken: Math.max(...near),
        halfLife: Math.LN2 / -(atNoise * slowest), kept: kept / rates.length,
      };
    });
    const ratio = ({ atToken, atNoise }: Channel) => atToken / atNoise;
    // Of those that open at all: a ratio of two tiny numbers says nothing.
    const open = all.filter(({ atToken }) => atToken > 0.1);
    return open.toSorted((a, b) => ratio(b) - ratio(a)).slice(0, perLayer);
  });
  return { place, channels };
}
