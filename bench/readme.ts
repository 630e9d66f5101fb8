/**
 * The figures of README.md, measured now, in Markdown: `npm run -s bench readme`. Nothing else is
 * printed to the standard output.
 */
import { compiledDecoders, decoderSizes } from './decoding.ts';
import { scanRows, STATE } from './scan.ts';
import { onThreads, threadNames } from './support/ways.ts';
import { trainingStep } from './support/models.ts';
import { fill, machineLine, type Plan, type PlannedRow, settings } from './support/suite.ts';
import { markdown, valueText } from './support/table.ts';
import { stepName, stepSizes } from './training.ts';

function* stepRows(): Iterable<PlannedRow> {
  for (const size of stepSizes.slice(1)) {
    const { step, tokens, targets } = trainingStep(size);
    yield { name: stepName(size), calls: onThreads(step, tokens, targets) };
  }
}

function* decoderRows(): Iterable<PlannedRow> {
  for (const size of decoderSizes) {
    for (const batch of [1, 16]) {
      const name = `${size.layers} × ${size.hidden}, batch ${batch}`;
      yield { name, count: batch, calls: compiledDecoders(size, batch) };
    }
  }
}

const columns = threadNames;
const plans: readonly Plan[] = [
  { title: 'Training step, Mamba of', columns, rows: stepRows() },
  { title: 'Tokens a second, Mamba of', quantity: 'rate', columns, rows: decoderRows() },
  {
    title: 'Selective scan, time of each state element,',
    quantity: 'time of each',
    columns,
    rows: scanRows(),
  },
];

const lines = [['', ...columns]];
for (const plan of plans) {
  console.error(`${plan.title} …`);
  const { title, quantity, rows } = await fill(plan, settings.long);
  for (const row of rows) {
    const figures = row.cells.map((cell) => valueText(cell, row, quantity));
    lines.push([`${title} ${row.name}`, ...figures]);
  }
}
console.log(`Medians on ${machineLine()},
by \`npm run bench readme\`. Models are of layers × width and read batches of rows × tokens; scans
are of [batch, length, channels] with ${STATE} states a channel.

${markdown(lines)}`);
