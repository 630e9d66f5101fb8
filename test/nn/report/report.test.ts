/** The report in the folder of a run, of a training that took place. */
import { Linear, mseLoss, reportPage, SGD, Trainer } from '@mambagrad/nn';
import { loadLog, report, runFolder } from '@mambagrad/nn/node';
import { manualSeed, ones } from '@mambagrad/tensor';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { eachInFolder } from '../../support/folder.ts';
import { elementsOf, parseMarkup, textOf } from '../../support/markup.ts';

let folder = '';
eachInFolder((made) => {
  folder = join(made, 'line');
});

test('report writes the page of the log beside it, and gives its path', async () => {
  manualSeed(1);
  const model = new Linear(2, 1);
  const batch = { x: ones([3, 2]), y: ones([3, 1]) };
  const trainer = new Trainer({
    model, optimizer: new SGD(model.parameters(), { lr: 0.1 }), data: () => batch,
    loss: ({ x, y }) => ({ loss: mseLoss(model.forward(x), y) }), compile: false,
    validation: { data: [batch], every: 2 }, ...runFolder(folder),
  });
  await trainer.fit(6);
  const path = report(folder);
  expect(path).toBe(join(folder, 'report.html'));
  const page = readFileSync(path, 'utf8');
  const run = loadLog(join(folder, 'log.jsonl'));
  expect(page).toBe(reportPage(run, { title: 'line' }));
  expect(page).toBe(reportPage(readFileSync(join(folder, 'log.jsonl'), 'utf8'), { title: 'line' }));
  const [h1] = elementsOf(parseMarkup(page.slice(page.indexOf('\n') + 1)), 'h1');
  expect(textOf(h1)).toBe('line');
  expect(run.evaluations.map(({ step }) => step)).toEqual([2, 4, 6]);
  report(folder, { title: 'Other', classes: ['a'] });
  expect(readFileSync(path, 'utf8')).toContain('<h1>Other</h1>');
});

test('errors name what is wrong', () => {
  expect(() => report(3 as never)).toThrow('report: folder is 3, expected a string');
  expect(() => report(folder)).toThrow(
    `report: there is no log in ${folder}: log.jsonl is missing`,
  );
  expect(() => report(folder, { titel: '' } as never)).toThrow(
    "report: there is no option 'titel'",
  );
});
