/**
 * How a model is trained on induction heads of length 256 so that it reaches a million steps.
 *
 * A gate must open at the token that matters, Δ ≈ 1, and stay shut at all others. Training at
 * length 256 sees no difference between a Δ of 1e-5 and one of 1e-9 there, and a test at a million
 * sees nothing else. Six things shut the gates:
 *
 * - Short sequences come first: they are cheap, and show the mechanism in some hundred steps.
 * - Δ begins large, between 0.1 and 1 in all channels, and its bias stays there. Such a model
 *   forgets within ten steps, so it has to learn to shut its gates.
 * - The weights of Δ learn ten times as fast as the others, because Δ is exponential in them.
 * - Once the task is learned these weights grow by a constant factor per step, to four times their
 *   size, while the others go on learning (slope annealing: Chung, Ahn and Bengio, "Hierarchical
 *   multiscale recurrent neural networks" (2017)). An open gate opens a little more; one that is
 *   shut to e^−9 shuts to e^−36.
 * - In the end states are carried on from window to window (streams.ts), so that a gate that still
 *   leaks, or opens at a wrong token now and then, is seen.
 * - Meanwhile the biases of Δ are disturbed at random, anew in each step. Windows carry a memory
 *   over some ten thousand tokens, in which a Δ of 1e-5 loses little. But a bias that is 4 higher
 *   makes the gate leak 55 times faster, and training shuts the gate until even that loses little.
 *   After training nothing is disturbed, and gates leak far less than any window could show.
 */
import { MambaLM, SelectiveSSM } from '@mambagrad/mamba';
import { Adam, type Schedule } from '@mambagrad/nn';
import { arange, normal, type Tensor, tensor } from '@mambagrad/tensor';
import { holdThenFall } from '../training.ts';

/** The length that the paper trains at. */
export const LENGTH = 256;

/** The range of the initial Δ. */
const DELTA = [0.1, 1] as const;

/** By what the weights of Δ are multiplied in the end. */
const SHARPNESS = 4;

/** The standard deviation of what is added to the biases of Δ, while states are carried on. */
const DISTURBANCE = 2;

/**
 * When parts of the training begin, as shares of its steps. A gate that is sharp and still opens
 * at the wrong token wipes out the memory, which training sees: so it goes on for long after that.
 */
const parts = { medium: 0.1, whole: 0.2, sharpen: 0.3, sharp: 0.43, fall: 0.7, keep: 0.9 };

const gates = (model: MambaLM): SelectiveSSM[] =>
  model.layers.flatMap(({ mixer }) => ('ssm' in mixer && mixer.ssm instanceof SelectiveSSM
    ? [mixer.ssm] : []));

/** A model whose Δ begins large and has a bias that is not trained. */
export function createModel(vocabSize: number, hiddenSize: number, stateSize: number): MambaLM {
  const model = new MambaLM({ vocabSize, hiddenSize, stateSize, numLayers: 2 });
  for (const { dtProj: { bias } } of gates(model)) {
    bias.assign(biasOf(bias.numel));
    bias.requiresGrad = false;
  }
  return model;
}

/** The bias of Δ: the inverse of softplus, of numbers at equal ratios. */
function biasOf(channels: number): Tensor {
  const [low, high] = DELTA;
  const delta = (i: number) => low * (high / low) ** ((i + 0.5) / channels);
  return tensor(Array.from({ length: channels }, (_, i) => Math.log(Math.expm1(delta(i)))));
}

/** Adam, with a higher rate for the weights of Δ. */
export function createOptimizer(model: MambaLM, lr: number): Adam {
  const fast = new Set<Tensor>(gates(model).map(({ dtProj }) => dtProj.weight));
  const others = model.parameters().filter((each) => each.requiresGrad && !fast.has(each));
  // β₂ and ε are below the defaults. Gradients shrink by many orders while the loss does; with
  // β₂ = 0.999 Adam would take large steps whenever one rises again, and with ε = 1e-8 it would
  // stop long before the end.
  return new Adam(
    [{ params: others, lr }, { params: [...fast], lr: 10 * lr }],
    { betas: [0.9, 0.95], eps: 1e-16 },
  );
}

export const createSchedule = (steps: number): Schedule => holdThenFall(steps, parts.fall);

/** The length and the number of sequences at a step. */
export function sizesAt(step: number, steps: number, batch: number) {
  if (step < parts.medium * steps) return { length: LENGTH / 16, count: 8 * batch };
  if (step < parts.whole * steps) return { length: LENGTH / 4, count: 4 * batch };
  return { length: LENGTH, count: batch };
}

/** Whether a step is one of streams, which come once the gates are sharp. */
export const isOfStreams = (step: number, steps: number): boolean => step >= parts.sharp * steps;

/**
 * Before a step: the weights of Δ are not trained any more once they are multiplied, and the biases
 * are disturbed while states are carried on.
 */
export function prepareStep(model: MambaLM, step: number, steps: number): void {
  for (const { dtProj: { weight, bias } } of gates(model)) {
    weight.requiresGrad = step < parts.sharpen * steps;
    if (!isOfStreams(step, steps)) continue;
    bias.assign(biasOf(bias.numel).add(normal(bias.shape, 0, DISTURBANCE)));
  }
}

/**
 * After a step (`step` of them are done): the biases of Δ are as they were, and its weights are
 * multiplied, if it is time.
 */
export function finishStep(model: MambaLM, step: number, steps: number): void {
  const isToSharpen = step > parts.sharpen * steps && step <= parts.sharp * steps;
  const factor = isToSharpen ? SHARPNESS ** (1 / ((parts.sharp - parts.sharpen) * steps)) : 1;
  for (const { dtProj: { weight, bias } } of gates(model)) {
    if (isToSharpen) weight.assign(weight.detach().mul(factor));
    bias.assign(biasOf(bias.numel));
  }
}

/** Whether the training is in its last part, when models are worth keeping. */
export const isWorthKeeping = (step: number, steps: number): boolean => step >= parts.keep * steps;

/**
 * The cross-entropy of logits [batch, classes], −log p. Where p is near 1, float32 rounds it, and
 * below 1e-7 nothing is left of the loss or its gradient. So it is computed from the probability
 * of all other tokens: with m their logsumexp less the target's logit, it is softplus(m).
 */
export function lossOf(logits: Tensor, targets: Tensor): Tensor {
  const index = targets.unsqueeze(1);
  const isTarget = index.equal(arange(0, logits.shape[1], 1, { dtype: 'i32' }));
  const others = isTarget.where(-1e30, logits).logsumexp(-1);
  return others.sub(logits.gather(-1, index).squeeze(1)).softplus().mean();
}
