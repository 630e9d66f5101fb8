/**
 * The layers of examples/layers as their papers write them: one step after the other, in real
 * arithmetic, from the parameters of a layer. Each takes x [batch, length, hidden] and a state, and
 * gives y of all steps and the state after the last.
 */
import { stack, type Tensor, tensor } from '@mambagrad/tensor';
import { DeltaNet } from '../../../examples/layers/deltaNet.ts';
import type { DiagonalSSM } from '../../../examples/layers/diagonalSSM.ts';
import { GatedLinearAttention } from '../../../examples/layers/gatedLinearAttention.ts';
import type { LinearRNN } from '../../../examples/layers/linearRNN.ts';
import { LRU } from '../../../examples/layers/lru.ts';
import type { MatrixMemory } from '../../../examples/layers/matrixMemory.ts';
import { MinGRU } from '../../../examples/layers/minGRU.ts';
import { RetNet } from '../../../examples/layers/retNet.ts';
import { S5 } from '../../../examples/layers/s5.ts';

/** A state, by the names of its tensors. */
export type State = Readonly<Record<string, Tensor>>;
/** Any layer of the folder. */
export type Layer = LinearRNN<Record<string, Tensor>>;

/** The sizes of any layer; `isSpecial` is for an option that some have. */
export interface Sizes {
  readonly hiddenSize: number;
  readonly numHeads: number;
  readonly stateSize: number;
  readonly isSpecial: boolean;
}

/** Every layer of the folder, of small sizes. */
export const layers: Record<string, (sizes: Sizes) => Layer> = {
  MinGRU: ({ hiddenSize, stateSize }) => new MinGRU({ hiddenSize, stateSize }),
  LRU: ({ hiddenSize, stateSize }) => new LRU({ hiddenSize, stateSize }),
  S5: ({ hiddenSize, stateSize }) => new S5({ hiddenSize, stateSize }),
  RetNet: ({ hiddenSize, numHeads, stateSize }) =>
    new RetNet({ hiddenSize, numHeads, stateSize: 2 * stateSize }),
  GatedLinearAttention: ({ isSpecial: _, ...sizes }) => new GatedLinearAttention(sizes),
  DeltaNet: ({ isSpecial, ...sizes }) => new DeltaNet({ ...sizes, negativeEigenvalues: isSpecial }),
  'gated DeltaNet': ({ isSpecial, ...sizes }) =>
    new DeltaNet({ ...sizes, gated: true, negativeEigenvalues: isSpecial }),
};

/** y of one step [batch, hidden], and the next state. */
type Step = (x: Tensor, state: State) => { y: Tensor; state: State };

/** The loop over the steps. */
function loop(x: Tensor, start: State, step: Step): { y: Tensor; state: State } {
  let state = start;
  const outputs = x.unbind(1).map((xt) => {
    const result = step(xt, state);
    state = result.state;
    return result.y;
  });
  return { y: stack(outputs, 1), state };
}

const affine = (x: Tensor, weight: Tensor, bias?: Tensor) => {
  const product = x.matmul(weight.transpose(0, 1));
  return bias ? product.add(bias) : product;
};

const minGRU = ({ inProj, outProj }: MinGRU): Step => (x, { h }) => {
  const [Wz, Wh] = inProj.weight.chunk(2);
  const [bz, bh] = (inProj.bias as Tensor).chunk(2);
  const z = affine(x, Wz, bz).sigmoid();
  const next = z.neg().add(1).mul(h).add(z.mul(affine(x, Wh, bh)));
  return { y: affine(next, outProj.weight, outProj.bias), state: { h: next } };
};

/** λ and γ as the papers define them, as four real vectors. */
function factorsOf(layer: DiagonalSSM): Tensor[] {
  if (layer instanceof LRU) {
    const [radius, theta] = [layer.nuLog.exp().neg().exp(), layer.thetaLog.exp()];
    const gamma = layer.gammaLog.exp();
    return [radius.mul(theta.cos()), radius.mul(theta.sin()), gamma, gamma.mul(0)];
  }
  if (!(layer instanceof S5)) throw new Error('unknown');
  const [x, y] = [layer.decayLog.exp().neg(), layer.frequency];
  const step = layer.stepLog.exp();
  const size = x.mul(step).exp();
  const [re, im] = [size.mul(y.mul(step).cos()), size.mul(y.mul(step).sin())];
  // (λ − 1) / Λ, times the conjugate of Λ above and below.
  const [a, b, square] = [re.sub(1), im, x.square().add(y.square())];
  return [re, im, a.mul(x).add(b.mul(y)).div(square), b.mul(x).sub(a.mul(y)).div(square)];
}

const diagonal = (layer: DiagonalSSM): Step => (x, { re, im }) => {
  const [a, b, c, d] = factorsOf(layer);
  const [realB, imaginaryB] = layer.inProj.weight.chunk(2);
  const [u, v] = [affine(x, realB), affine(x, imaginaryB)];
  const next = {
    re: a.mul(re).sub(b.mul(im)).add(c.mul(u).sub(d.mul(v))),
    im: a.mul(im).add(b.mul(re)).add(c.mul(v).add(d.mul(u))),
  };
  const [realC, minusImaginaryC] = layer.outProj.weight.chunk(2, 1);
  const y = affine(next.re, realC).add(affine(next.im, minusImaginaryC)).add(x.mul(layer.D));
  return { y, state: next };
};

/** The columns [.., 1] and rows [.., 1, ] of vectors. */
const column = (x: Tensor) => x.unsqueeze(-1);
const row = (x: Tensor) => x.unsqueeze(-2);

/** What the three memories have in common; `next` gives the state after a step. */
function memory(
  layer: MatrixMemory,
  next: (parts: { x: Tensor; q: Tensor; k: Tensor; v: Tensor; S: Tensor }) => [Tensor, Tensor],
): Step {
  return (x, { S }) => {
    const { numHeads: H, headDim: P, stateSize: N } = layer;
    const all = affine(x, layer.inProj.weight).split([H * N, H * N, H * P, H * P], -1);
    const [q, k, v, gate] = all.map((part) => part.reshape([x.shape[0], H, part.shape[1] / H]));
    const [after, query] = next({ x, q, k, v, S });
    const read = after.matmul(column(query)).squeeze(-1);
    const norm = read.square().mean(-1, true).add(1e-5).sqrt();
    const y = read.div(norm).mul(layer.norm.weight).mul(gate.mul(gate.sigmoid()));
    return { y: affine(y.reshape(x.shape), layer.outProj.weight), state: { S: after } };
  };
}

const outer = (v: Tensor, k: Tensor) => column(v).mul(row(k));

const gla = (layer: GatedLinearAttention): Step => memory(layer, ({ x, q, k, v, S }) => {
  const [down, up] = layer.decayProj;
  const logits = affine(affine(x, down.weight), up.weight, up.bias).reshape(k.shape);
  const alpha = logits.sigmoid().pow(1 / 16);
  return [S.mul(row(alpha)).add(outer(v, k.div(Math.sqrt(layer.stateSize)))), q];
});

/** R: (u, w) to (u cos θ + w sin θ, −u sin θ + w cos θ) in rows of the state. */
function rotation(size: number): Tensor {
  const rows = Array.from({ length: size }, () => new Array<number>(size).fill(0));
  for (let i = 0; i < size / 2; i++) {
    const theta = 10_000 ** (-2 * i / size);
    const [a, b] = [i, i + size / 2];
    rows[a][a] = rows[b][b] = Math.cos(theta);
    rows[a][b] = -Math.sin(theta);
    rows[b][a] = Math.sin(theta);
  }
  return tensor(rows, { dtype: 'f64' });
}

const retNet = (layer: RetNet): Step => memory(layer, ({ q, k, v, S }) => {
  const gammas = Array.from({ length: layer.numHeads }, (_, h) => 1 - 2 ** (-5 - h));
  const gamma = tensor(gammas, { dtype: 'f64' }).reshape([layer.numHeads, 1, 1]);
  const turned = S.matmul(rotation(layer.stateSize));
  return [turned.mul(gamma).add(outer(v, k.div(Math.sqrt(layer.stateSize)))), q];
});

const unit = (x: Tensor) => {
  const active = x.mul(x.sigmoid());
  return active.div(active.square().sum(-1, true).add(1e-6).sqrt());
};

const deltaNet = (layer: DeltaNet): Step => memory(layer, ({ x, q, k, v, S }) => {
  const most = layer.negativeEigenvalues ? 2 : 1;
  const beta = affine(x, layer.betaProj.weight, layer.betaProj.bias).sigmoid().mul(most);
  const { decayProj, decayBias } = layer;
  const rate = decayProj && decayBias && affine(x, decayProj.weight).add(decayBias).softplus();
  const kept = rate ? S.mul(column(column(rate.neg().exp()))) : S;
  const key = unit(k);
  const said = kept.matmul(column(key)).squeeze(-1);
  const error = v.sub(said).mul(column(beta));
  return [kept.add(outer(error, key)), unit(q)];
});

/** The step of a layer, as its paper has it. */
function stepOf(layer: Layer): Step {
  const one: unknown = layer;
  if (one instanceof MinGRU) return minGRU(one);
  if (one instanceof LRU || one instanceof S5) return diagonal(one);
  if (one instanceof GatedLinearAttention) return gla(one);
  if (one instanceof RetNet) return retNet(one);
  if (one instanceof DeltaNet) return deltaNet(one);
  throw new Error(`there is no reference for ${layer.constructor.name}`);
}

/** The naive loop over x, from a state. */
export const reference = (layer: Layer, x: Tensor, state: State) => loop(x, state, stepOf(layer));
