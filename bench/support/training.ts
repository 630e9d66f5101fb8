/**
 * A small training run that uses everything a checkpoint has to hold: moments, a buffer, the
 * default generator and two others, a schedule, data in an order of its own, a validation. Run as a
 * program, it trains with checkpoints in a folder, and prints the number of each step:
 *
 *     node training.js FOLDER STEPS
 */
import {
  AdamW, Buffer, cosineDecay, DataLoader, Dropout, Linear, Module, mseLoss, Trainer,
  type TrainerOptions,
} from '@mambagrad/nn';
import { checkpointFolder } from '@mambagrad/nn/node';
import {
  defaultGenerator, type Generator, manualSeed, noGrad, normal, type Tensor, zeros,
} from '@mambagrad/tensor';
import { pathToFileURL } from 'node:url';

/** Inputs [batch, 3] and what is to be made of them, [batch, 1]. */
export interface Batch {
  readonly x: Tensor;
  readonly y: Tensor;
}

class Model extends Module {
  readonly first = new Linear(3, 32);
  /** How many times each unit was on. */
  readonly counts = new Buffer(zeros([32], { dtype: 'i32' }));
  readonly dropout: Dropout;
  readonly second = new Linear(32, 32);
  readonly last = new Linear(32, 1);

  constructor(generator: Generator) {
    super();
    this.dropout = new Dropout(0.1, { generator });
  }

  forward(x: Tensor): Tensor {
    const h = this.dropout.forward(this.first.forward(x).relu());
    if (this.training) noGrad(() => this.counts.assign(this.counts.add(h.greater(0).sum(0))));
    return this.last.forward(this.second.forward(h).tanh());
  }
}

const samples = Array.from({ length: 23 }, (_, i) => {
  const x = [0, 1, 2].map((k) => Math.sin(7 * i + 3 * k));
  return { x, y: [x[0] * x[1] - 0.5 * x[2]] };
});

/** The run from its start, but for what `options` changes; another one for another seed. */
export function makeTrainer(options: Partial<TrainerOptions<Batch>> = {}, seed = 1) {
  manualSeed(seed);
  const [noise, forModel] = defaultGenerator.split(2);
  const model = new Model(forModel);
  return new Trainer<Batch>({
    model,
    optimizer: new AdamW(model.parameters(), { lr: 0.02 }),
    loss: ({ x, y }) => {
      // Noise from two places: from outside the model, and from the default generator.
      const blurred = x.add(normal(x.shape, 0, 0.01, { generator: noise }));
      const loss = mseLoss(model.forward(blurred).add(normal(y.shape, 0, 0.01)), y);
      return { loss, size: loss.sqrt() };
    },
    data: new DataLoader(samples, { batchSize: 4, shuffle: true, dropLast: true, seed }),
    accumulate: 2,
    maxNorm: 1,
    schedule: cosineDecay(1000, 0.1),
    validation: { data: new DataLoader(samples, { batchSize: 23 }), every: 5 },
    generators: [noise],
    ...options,
  });
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [folder, steps] = process.argv.slice(2);
  const checkpoints = checkpointFolder(folder);
  const trainer = makeTrainer(
    {
      checkpoints,
      checkpointEvery: 3,
      resume: true,
      host: {
        stdout: { write: () => true },
        once: (signal, listener) => process.once(signal, listener),
        off: (signal, listener) => process.off(signal, listener),
      },
      callbacks: [({ step }) => process.stdout.write(`${step}\n`)],
    },
    // Whatever a process starts with is not what it goes on with.
    (await checkpoints.load()) ? Date.now() : 1,
  );
  await trainer.fit(Number(steps));
}
