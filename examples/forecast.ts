/**
 * Forecasts the CO₂ in the air over Mauna Loa, twelve months ahead. A small Mamba learns from the
 * months to 2004, the years to 2009 say when it was best, and those from 2010 on test it, each
 * month as if it were the present one. The model is saved with its scale; forecastNext.ts uses it.
 */
import {
  AdamW, collate, DataLoader, l1Loss, meanAbsoluteError, measure, Trainer, windows,
} from '@mambagrad/nn';
import { report, saveModel } from '@mambagrad/nn/node';
import { manualSeed, noGrad, type Tensor, tensor } from '@mambagrad/tensor';
import { join } from 'node:path';
import { dataFile } from './files.ts';
import { type Batch, Forecaster, MEMORY } from './forecast/model.ts';
import { indexOfYear, readSeries, risesOf, YEAR } from './forecast/series.ts';
import { keepRun, readRun } from './runs.ts';
import { upAndDown } from './training.ts';

const options = readRun(
  'forecast', 'Trains a Mamba to forecast the CO₂ in the air, twelve months ahead.',
  {
    seed: { help: 'where the random numbers start', default: 1, min: 0 },
    epochs: { help: 'how often to go through the training part', default: 20 },
    batch: { help: 'windows of the series per step', default: 32 },
    layers: { help: 'Mamba blocks', default: 2 },
    hidden: { help: 'width of the model', default: 16 },
    lr: { help: 'highest learning rate', default: 0.005, min: 0, fraction: true },
  },
);
const { seed, epochs, batch, layers, hidden, lr, folder } = options;

manualSeed(seed);
const sizes = { layers, hidden };
const model = new Forecaster(sizes);

// The series in three parts. Of what comes later nothing is used, not even for the scale.
const series = readSeries(dataFile('co2-concentration.csv'));
const rises = risesOf(series.values);
const [from2005, from2010] = [2005, 2010].map((year) => indexOfYear(series, year));
model.scaler.fit(rises.slice(0, from2005));
const scaled = model.scaler.transform(rises);
/** Windows whose twelve months to be forecast are from one index to another. */
const part = (from: number, to: number) =>
  windows(scaled.slice(from - MEMORY, to), { length: MEMORY, horizon: YEAR });
const training = part(YEAR + MEMORY, from2005);
const validation = part(from2005, from2010);
const test = part(from2010, scaled.length);

/** What the model says of a batch, and of which months the truth is known. */
const predict = (batch: Batch) => ({
  outputs: model.forward(batch),
  targets: batch.target.squeeze(-1),
  mask: batch.targetMask.squeeze(-1),
});

const trainer = new Trainer({
  model,
  optimizer: new AdamW(model.parameters(), { lr }),
  data: new DataLoader(training, { batchSize: batch, shuffle: true, seed }),
  predict,
  loss: l1Loss,
  validation: {
    data: new DataLoader(validation, { batchSize: validation.length }),
    everyEpochs: 1,
    keepBest: true,
    predict: (batch) => {
      const { outputs, targets, mask } = predict(batch);
      const [inPpm, truth] = [outputs, targets].map((rises) => model.scaler.inverse(rises));
      return { outputs: inPpm, targets: truth, mask };
    },
    metrics: { 'mean error in ppm': meanAbsoluteError() },
  },
  schedule: upAndDown(20),
  maxNorm: 1,
  host: process,
  ...keepRun(options),
});
console.log(
  `A Mamba of ${model.parameterCount().toLocaleString('en')} parameters learns from ` +
    `${training.length} stretches of six years.`,
);
await trainer.fit({ epochs });

// The test: from each month on, twelve months ahead

const unseen = collate([...test]);
const lastYear = unseen.input.narrow(1, MEMORY - YEAR, YEAR).squeeze(-1);
const { outputs, targets, mask } = model.inEval(() => noGrad(() => predict(unseen)));
const forecasts: readonly (readonly [name: string, forecast: Tensor])[] = [
  ["last year's value plus last year's rise", lastYear],
  ["the same, with the year's mean rise", lastYear.mean(1, true).broadcastTo(lastYear.shape)],
  ['this model', outputs],
];

/** The mean error in ppm of forecasts, of one month or of all. */
function errorOf(forecast: Tensor, month?: number): number {
  const [some, truth, isKnown] = [forecast, targets, mask]
    .map((x) => (month === undefined ? x : x.narrow(1, month - 1, 1)));
  const error = measure(meanAbsoluteError(), [{ outputs: some, targets: truth, mask: isKnown }]);
  return error * model.scaler.scale.item();
}
const months = [1, 3, 6, 12];
const line = (name: string, cells: readonly (string | number)[]) =>
  console.log(`  ${name.padEnd(40)}${cells.map((cell) => String(cell).padStart(6)).join('')}`);
console.log(`\nForecasts from each of ${test.length} months on, and their mean error in ppm:\n`);
line('months ahead', [...months, 'all']);
for (const [name, forecast] of forecasts) {
  const errors = [...months.map((month) => errorOf(forecast, month)), errorOf(forecast)];
  line(name, errors.map((error) => error.toFixed(2)));
}

const path = join(folder, 'model.safetensors');
model.error.assign(tensor(errorOf(outputs)));
saveModel(path, model, sizes);
console.log(`\nSaved to ${path}; npm run example forecastNext looks ahead with it.`);
console.log(`Report: ${report(folder)}`);
