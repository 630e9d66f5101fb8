/**
 * A Mamba-3 that counts, with weights set by hand: no training, no error. Its state is one vector
 * in a plane, which a reset token writes and which never decays. Each 1 turns the plane by 2π/m, so
 * after c ones the vector stands at the angle 2πc/m from where it was written:
 *
 *     reset  h ← k(θ)                   θ the angle so far; k is turned by it
 *     0      h ← h
 *     1      h ← h,  θ ← θ + 2π/m       reading turns with θ, and the state stays
 *     read   (cos, sin) of the angle between writing and reading, 2πc/m
 *
 * The logit of answer j is the product with (cos, sin) of 2πj/m, which is largest at j = c mod m.
 * With m = 2 this is parity: the state is multiplied by −1 for each 1.
 */
import { Mamba3Block, MambaLM } from '@mambagrad/mamba';
import { Linear } from '@mambagrad/nn';
import { type DType, type Tensor, tensor } from '@mambagrad/tensor';

const [HIDDEN, HEADS] = [8, 2];

/** The hidden numbers 0, 1 and 2 say which token it is; the next two, what the heads have read. */
const [COS, SIN] = [3, 4];

/** The token that resets the count, as in `counting`. */
const RESET = 2;
const ONE = 1;

/** A model of tokens 0, 1 and 2 (reset) whose answer at each step is the count modulo `modulus`. */
export function counterByHand(modulus: number, dtype: DType = 'f32'): MambaLM {
  const vocabSize = Math.max(3, modulus);
  const model = new MambaLM({
    vocabSize, hiddenSize: HIDDEN, numLayers: 1, layer: 'mamba3', tieEmbeddings: false,
    // Two heads of one channel each, with one plane as their state, all of which turns.
    expandFactor: HEADS / HIDDEN, headDim: 1, stateSize: 2, ropeFraction: 1,
    decay: 'softplus', aFloor: 0,
  }).to(dtype);
  const [{ mixer }] = model.layers;
  if (!(mixer instanceof Mamba3Block) || !(model.lmHead instanceof Linear)) {
    throw new TypeError('expected a Mamba-3 with a head of its own');
  }
  set(model.embedding.weight, (token, i) => (token === i ? 1 : 0));
  setBlock(mixer, 2 / modulus);
  set(model.lmHead.weight, (j, i) => {
    // Tokens that are no answers: below all answers, whatever the input is.
    if (j >= modulus) return i <= RESET ? -2 : 0;
    const angle = (2 * Math.PI * j) / modulus;
    return i === COS ? Math.cos(angle) : i === SIN ? Math.sin(angle) : 0;
  });
  return model;
}

/** Large enough that its sigmoid and tanh are 1, and that of its negative is 0. */
const LARGE = 1e4;

/** Sets a block that turns by π · `duration` at each 1. */
function setBlock(block: Mamba3Block, duration: number): void {
  // What each row of the projection is for each token, in the order of the rows: z, x, B, C, Δ, A,
  // λ, angle. The norm before it makes √hidden of the 1 that stands for the token.
  const each = (value: number) => [value, value, value];
  const atReset = (value: number, others = 0) => each(others).with(RESET, value);
  const gate = each(1.2784645427610738); // its SiLU is 1
  const rows = [
    gate, gate,
    ...Array<number[]>(HEADS).fill(atReset(1 / duration)), // a reset writes; Δ multiplies it
    ...Array<number[]>(4).fill(each(0)), // B and C are their biases
    ...Array<number[]>(HEADS).fill(each(0)), // Δ is its bias
    ...Array<number[]>(HEADS).fill(atReset(LARGE, -LARGE)), // a reset forgets, and nothing else
    ...Array<number[]>(HEADS).fill(each(LARGE)), // λ = 1: a step writes at its own end only
    each(0).with(ONE, LARGE), // a 1 turns, by π · Δ
  ];
  set(block.inProj.weight, (row, i) => (rows[row][i] ?? 0) / Math.sqrt(HIDDEN));
  set(block.dtBias, () => Math.log(Math.expm1(duration)));
  set(block.BBias, (i) => [1, 0][i % 2]);
  // The first head reads the cosine of the angle since the reset, the second its sine.
  set(block.CBias, (i) => [1, 0, 0, -1][i]);
  set(block.D, () => 0);
  set(block.outProj.weight, (i, head) => (i === COS + head ? 1 : 0));
}

/** Sets each number of a parameter: of a matrix by row and column, else by position. */
function set(parameter: Tensor, valueOf: (row: number, column: number) => number): void {
  const { shape, dtype, numel } = parameter;
  const width = shape.length === 2 ? shape[1] : 1;
  const values = Array.from({ length: numel }, (_, i) =>
    valueOf(Math.floor(i / width), i % width),
  );
  parameter.assign(tensor(values, { shape, dtype }));
}
