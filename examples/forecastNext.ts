/**
 * Forecasts the CO₂ of the next twelve months with the model that forecast.ts has saved. Nothing is
 * trained here: the file holds the weights, the scale of the training part, the sizes of the model,
 * and how large its errors were on months that it had not seen.
 */
import { plot } from '@mambagrad/nn';
import { loadModel } from '@mambagrad/nn/node';
import { join } from 'node:path';
import { dataFile, fail, orFail } from './files.ts';
import { Forecaster, type ForecasterOptions } from './forecast/model.ts';
import { readSeries, risesOf, YEAR } from './forecast/series.ts';
import { readOptions } from './options.ts';
import { latestRun } from './runs.ts';

const options = readOptions(
  'Forecasts the CO₂ of the next twelve months, with a model that forecast has saved.',
  {},
  {},
  {
    load: 'folder of the model (the latest runs/forecast)',
    file: 'table with columns Date and CO2 (examples/data/co2-concentration.csv)',
  },
);
const folder = options.load ?? latestRun('forecast') ??
  fail('there is no model yet; npm run example forecast trains one');

const create = (sizes: ForecasterOptions) => new Forecaster(sizes);
const model = orFail(() => loadModel(join(folder, 'model.safetensors'), create));
const file = options.file ?? dataFile('co2-concentration.csv');
const { times, values } = orFail(() => readSeries(file));

const lastYear = values.slice(-YEAR);
const rises = model.forecast(risesOf(values));
const next = rises.map((rise, i) => lastYear[i] + rise);

// Two years that were measured, and the year to come

const measured = [...values.slice(-2 * YEAR)];
const ahead = [...measured.map(() => NaN), ...next];
console.log('CO₂ over Mauna Loa in ppm, month by month');
console.log(plot({ measured, forecast: ahead }, { log: false }));

/** The name of a month of the series, or of one after its end. */
function nameOf(month: number): string {
  const date = new Date(times[0]);
  date.setUTCMonth(date.getUTCMonth() + month);
  return date.toLocaleDateString('en', { month: 'long', year: 'numeric', timeZone: 'UTC' });
}
console.log('\nForecast, with the rise over a year:\n');
next.forEach((value, i) => {
  const month = nameOf(values.length + i).padEnd(16);
  console.log(`  ${month}${value.toFixed(2)}  ${rises[i] < 0 ? '' : '+'}${rises[i].toFixed(2)}`);
});
console.log(
  `\nForecasts of this model for months that it had not seen were off by ` +
    `${model.error.item().toFixed(2)} ppm on average.`,
);
