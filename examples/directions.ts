/**
 * Trains a BiMamba on sequences whose label hangs on both ends: somewhere near the start there is
 * a letter, somewhere near the end another, nothing between. The label is the pair of letters: who
 * sees but one end is right about one time in as many as there are letters.
 *
 *     · · B · · · · · · · · · · · D ·      BD
 */
import { BiMamba } from '@mambagrad/mamba';
import { Linear, Module } from '@mambagrad/nn';
import { integers, manualSeed, type Tensor } from '@mambagrad/tensor';
import { readOptions } from './options.ts';
import { type Batch, percent, predict, trainClassifier } from './training.ts';

const options = readOptions(
  'Trains a BiMamba on sequences whose label hangs on both ends.',
  {
    seed: { help: 'where the random numbers start', default: 1, min: 0 },
    steps: { help: 'training steps', default: 300 },
    batch: { help: 'sequences per step', default: 32 },
    length: { help: 'steps of a sequence', default: 32, min: 2 },
    letters: { help: 'letters of the alphabet', default: 4, min: 2 },
    hidden: { help: 'width of the model', default: 16 },
    lr: { help: 'highest learning rate', default: 0.01, min: 0, fraction: true },
  },
  {},
);
const { letters, length } = options;

/** Each end has a letter within so many steps. */
const END = Math.ceil(length / 4);

/** Sequences of letters as one-hot vectors, [count, length, letters]; zeros stand for none. */
function draw(count: number): Batch {
  const [first, second] = [0, 1].map(() => integers([count], 0, letters));
  const place = () => integers([count], 0, END);
  const at = (places: Tensor, letter: Tensor): Tensor => {
    const when = places.oneHot(length).unsqueeze(-1);
    return when.matmul(letter.oneHot(letters).unsqueeze(1));
  };
  const inputs = at(place(), first).add(at(place().neg().add(length - 1), second));
  return { inputs, labels: first.mul(letters).add(second) };
}

class Classifier extends Module {
  readonly encoder = new BiMamba({
    embedDim: letters,
    hiddenSize: options.hidden,
    stateSize: 8,
    numLayers: 2,
    pool: 'mean',
  });
  readonly head = new Linear(options.hidden, letters * letters);

  forward(inputs: Tensor): Tensor {
    return this.head.forward(this.encoder.forward(inputs));
  }
}

manualSeed(options.seed);
const model = new Classifier();
console.log(
  `A BiMamba of ${model.parameterCount().toLocaleString('en')} parameters learns to read ` +
    `both ends of ${length} steps.`,
);
await trainClassifier(model, draw, options);

model.encoder.train(false);
const fresh = draw(512);
const predicted = predict(model, fresh.inputs);
const accuracy = predicted.equal(fresh.labels).cast('f32').mean().item();
const oneEnd = percent(1 / letters);
console.log(`Accuracy on 512 fresh sequences: ${percent(accuracy)} (from one end: ${oneEnd})\n`);

const letter = (index: number): string => String.fromCodePoint(65 + index);
const spell = (step: Tensor): string =>
  (step.max().item() > 0 ? letter(step.argmax(0).item()) : '·');
const pair = (label: number): string =>
  letter(Math.floor(label / letters)) + letter(label % letters);
for (let row = 0; row < 5; row++) {
  const steps = fresh.inputs.narrow(0, row, 1).squeeze(0).unbind();
  const [label, found] = [fresh.labels, predicted].map(({ data }) => pair(data[row]));
  console.log(`${steps.map(spell).join('')}  label ${label}  predicted ${found}`);
}
