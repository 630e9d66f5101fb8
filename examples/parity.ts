/**
 * Counting with a state that turns. First a Mamba-3 whose weights are set by hand counts modulo m
 * without an error, for thousands of steps. Then a Mamba-3 and a Mamba are trained on the parity of
 * short sequences, with the same budget, and tested on longer ones.
 *
 * Only the Mamba-3 learns it. How far that reaches depends on the seed: a turn that is off by half
 * a degree is good for 40 bits, and wrong after some 180. With the default seed it reaches 512.
 */
import { counting, MambaLM, parity } from '@mambagrad/mamba';
import { Adam, Trainer } from '@mambagrad/nn';
import { Generator, manualSeed, noGrad, type Tensor } from '@mambagrad/tensor';
import { readOptions } from './options.ts';
import { counterByHand } from './parity/byHand.ts';
import { sharpenDecay } from './parity/sharpen.ts';
import { judge, percent, upAndDown } from './training.ts';

const options = readOptions('Counts with a state that turns, by hand and by training.', {
  seed: { help: 'where the random numbers start', default: 1, min: 0 },
  steps: { help: 'training steps of each model', default: 2000 },
  batch: { help: 'sequences per step', default: 32 },
  length: { help: 'bits of a sequence to train on', default: 40 },
  test: { help: 'bits of a sequence to test on', default: 256 },
  hidden: { help: 'width of the models', default: 32 },
  state: { help: 'numbers that each channel remembers', default: 16, min: 2 },
  lr: { help: 'highest learning rate', default: 0.005, min: 0, fraction: true },
  count: { help: 'steps for which the model set by hand counts', default: 5000 },
}, {});

/** The share of right answers of a model, over the whole sequences and at their ends. */
function score(model: MambaLM, inputs: Tensor, targets: Tensor) {
  const right = noGrad(() => model.forward(inputs)).argmax(-1).equal(targets).cast('f32');
  const last = right.narrow(1, right.shape[1] - 1, 1);
  return { all: percent(right.mean().item()), last: percent(last.mean().item()) };
}

console.log('By hand: a plane turns by 2π/m at each 1.\n');
for (const modulus of [2, 3, 5, 12]) {
  const { inputs, targets } = counting(4, {
    length: options.count, modulus, resetRate: 1e-3, generator: new Generator(options.seed),
  });
  const { all } = score(counterByHand(modulus), inputs, targets);
  console.log(`  modulo ${String(modulus).padEnd(3)} ${all} of ${targets.numel} answers right`);
}

/**
 * From which part of the training to which the weights of the decay rates of Mamba-3 grow, and by
 * which factor. At 40 bits a state may decay a little, at 256 it may not.
 */
const SHARPEN = { from: 0.45, to: 0.7, factor: 8 };

/** Trains on short sequences first, then on all of `length`, and tests. */
async function train(layer: 'mamba' | 'mamba3'): Promise<void> {
  manualSeed(options.seed);
  const model = new MambaLM({
    vocabSize: 3, hiddenSize: options.hidden, stateSize: options.state, numLayers: 1, layer,
    // A turn is at most π Δ, so half turns need a Δ about 1; and decays may come near 1.
    ...(layer === 'mamba3' && {
      headDim: options.hidden / 2, decay: 'softplus', aFloor: 0, dtInit: [0.5, 1.5],
    }),
  });
  const { steps, batch, length } = options;
  const trainer: Trainer<{ inputs: Tensor; targets: Tensor }> = new Trainer({
    model,
    optimizer: new Adam(model.parameters(), { lr: options.lr, betas: [0.9, 0.99], eps: 1e-12 }),
    data: () => parity(batch, { length: lengthAt(trainer.step) }),
    loss: ({ inputs, targets }) => judge(model.forward(inputs), targets),
    schedule: upAndDown(50),
    maxNorm: 1,
    callbacks: [({ step }) => {
      if (step > SHARPEN.from * steps && step <= SHARPEN.to * steps) {
        sharpenDecay(model, SHARPEN.factor ** (1 / ((SHARPEN.to - SHARPEN.from) * steps)));
      }
    }],
    host: process,
  });
  /** An eighth of the length first, then a third, then all of it. */
  function lengthAt(step: number): number {
    const share = step < steps / 10 ? 1 / 8 : step < steps / 5 ? 1 / 3 : 1;
    return Math.ceil(share * length);
  }
  console.log(`\nTrained: ${layer}, ${model.parameterCount().toLocaleString('en')} parameters.`);
  await trainer.fit(steps);
  for (const bits of [length, options.test]) {
    const fresh = parity(128, { length: bits, generator: new Generator(options.seed + 1) });
    const { all, last } = score(model, fresh.inputs, fresh.targets);
    console.log(`  ${bits} bits: ${all} of all answers right, ${last} of the last ones`);
  }
}

await train('mamba3');
await train('mamba');
