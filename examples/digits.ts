/**
 * Reads handwritten digits: stacks of MambaND layers learn from 1,237 images of 8 × 8 pixels, are
 * watched on 200 others, and are tested once, at the end, on 360 that had no part in any decision.
 * The digits are sorted by who wrote them, so those of the test are by writers of their own, and
 * harder to read than the rest.
 */
import {
  accuracy, AdamW, collate, confusionMatrix, crossEntropy, DataLoader, imageDataset, splitData,
  Trainer,
} from '@mambagrad/nn';
import { readCsv, report } from '@mambagrad/nn/node';
import { manualSeed, stack } from '@mambagrad/tensor';
import { mostCommon, nearest } from './digits/baselines.ts';
import { DigitReaders } from './digits/model.ts';
import { sideBySide } from './digits/picture.ts';
import { dataFile } from './files.ts';
import { keepRun, readRun } from './runs.ts';
import { percent, predict, upAndDown } from './training.ts';

const options = readRun(
  'digits', 'Trains stacks of MambaND layers to read handwritten digits.',
  {
    seed: { help: 'where the random numbers start', default: 1, min: 0 },
    epochs: { help: 'how often to go through the images', default: 60 },
    batch: { help: 'images per step', default: 64 },
    readers: { help: 'stacks of layers that learn side by side', default: 3 },
    layers: { help: 'MambaND layers', default: 4 },
    hidden: { help: 'width of each', default: 32 },
    lr: { help: 'highest learning rate', default: 0.01, min: 0, fraction: true },
  },
);
const { seed, epochs, batch, readers, layers, hidden, lr, folder } = options;

// The table has a row for each image: its 64 pixels, and then its class.
const table = readCsv(dataFile('digits.csv.gz'), { header: false });
const pixels = table.toTensor(table.names.slice(0, 64)).unbind(0);
const images = imageDataset(pixels, table.numbers('64'), { shape: [8, 8], max: 16 });
const [training, validation, test] =
  splitData(images, { counts: [1237, 200, 360], shuffle: false });

manualSeed(seed);
const model = new DigitReaders(readers, { layers, hidden, dropout: 0.2, classes: 10 });
const trainer = new Trainer({
  model,
  optimizer: new AdamW(model.parameters(), { lr, weightDecay: 0.05 }),
  data: new DataLoader(training, { batchSize: batch, shuffle: true, dropLast: true, seed }),
  // Each reader learns by itself; only their answers are averaged.
  loss: ({ image, label }) => {
    const losses = model.each(image)
      .map((logits) => crossEntropy(logits, label, { labelSmoothing: 0.1 }));
    return stack(losses).mean();
  },
  validation: {
    data: new DataLoader(validation, { batchSize: 200 }),
    everyEpochs: 1,
    keepBest: true,
    predict: ({ image, label }) => ({ outputs: model.forward(image), targets: label }),
    metrics: { accuracy: accuracy(), confusion: confusionMatrix(10) },
  },
  schedule: upAndDown(50),
  maxNorm: 1,
  host: process,
  ...keepRun(options),
});
console.log(
  `${readers} stacks of ${layers} MambaND layers, ${model.parameterCount().toLocaleString('en')} ` +
    `parameters, learn to read ${training.length.toLocaleString('en')} digits.`,
);
await trainer.fit({ epochs });

// The test

const [known, unseen] = [[...training, ...validation], [...test]].map((part) => collate(part));
console.log(`
Read correctly of ${test.length} digits by other writers:
  always the most common digit     ${percent(mostCommon(known, unseen, 10))}
  that of the most similar image   ${percent(nearest(known, unseen))}
  these stacks together            ${percent(trainer.evaluate([unseen]).accuracy)}
`);

const answers = model.inEval(() => predict(model, unseen.image)).data;
const mistakes = Array.from(unseen.label.data, (label, i) => ({ label, answer: answers[i], i }))
  .filter(({ label, answer }) => label !== answer)
  .map(({ label, answer, i }) => ({
    rows: test.at(i).image.squeeze(-1).toArray() as number[][],
    caption: `a ${label}, read as ${answer}`,
  }));
console.log(`${mistakes.length} were read wrongly:\n\n${sideBySide(mistakes.slice(0, 8))}`);
console.log(`Report: ${report(folder)}`);
