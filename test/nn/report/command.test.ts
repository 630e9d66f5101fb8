/** The command line: reports and plots of folders, and what it says to mistakes. */
import { loadLog, runCommand } from '@mambagrad/nn/node';
import { plot } from '@mambagrad/nn';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { eachInFolder } from '../../support/folder.ts';

let folder = '';
eachInFolder((made) => {
  folder = made;
  const lines =
    [1, 2, 3].map((step) => `{"step":${step},"lr":0.1,"metrics":{"loss":${4 - step}}}\n`);
  writeFileSync(join(folder, 'log.jsonl'), lines.join(''));
});

test('report writes the page, with its options', () => {
  const { text, code } =
    runCommand(['report', folder, '--title', 'Mine & yours', '--smoothing', '0']);
  expect({ text, code }).toEqual({ text: join(folder, 'report.html'), code: 0 });
  expect(readFileSync(text, 'utf8')).toContain('<h1>Mine &amp; yours</h1>');
});

test('plot draws as the function does', () => {
  const run = loadLog(join(folder, 'log.jsonl'));
  expect(runCommand(['plot', folder, '--width', '50'])).toEqual(
    { text: plot(run, { width: 50 }), code: 0 },
  );
  expect(runCommand(
    ['plot', folder, '--width', '60', '--height', '5', '--log', '--charts', 'loss,learning rate'],
  ).text)
    .toBe(plot(run, { width: 60, height: 5, log: true, charts: ['loss', 'learning rate'] }));
  expect(runCommand(['plot', folder, '--width', '60', '--no-log']).text).toBe(
    plot(run, { width: 60, log: false }),
  );
});

test('help is given when asked for, and to what is not understood', () => {
  expect(runCommand(['--help'])).toMatchObject(
    { code: 0, text: expect.stringMatching(/^mambagrad: looks at/) as string },
  );
  const wrong: (readonly [string[], string])[] = [
    [[], 'mambagrad: which command? Expected report or plot'],
    [['draw', folder], "mambagrad: there is no command 'draw', expected report or plot"],
    [['plot'], 'plot: the folder of the run is missing'],
    [['plot', folder, 'a', 'b'], "plot: 'a b' is too much, expected one folder"],
  ];
  for (const [args, problem] of wrong) {
    const { text, code } = runCommand(args);
    expect([text.split('\n\n')[0], code]).toEqual([problem, 2]);
    expect(text).toContain('\n\nmambagrad: looks at');
  }
  expect(runCommand(['plot', folder, '--widht', '3'])).toMatchObject({
    code: 2,
    text: expect.stringMatching(/^Unknown option '--widht'[^]*mambagrad: looks at/) as string,
  });
});

test('what goes wrong is said in a line', () => {
  expect(runCommand(['plot', join(folder, 'x')])).toEqual({
    code: 1, text: `plot: there is no log in ${join(folder, 'x')}: log.jsonl is missing`,
  });
  expect(runCommand(['plot', folder, '--width', ''])).toEqual({
    code: 1, text: 'plot: width is NaN, expected a whole number from 20',
  });
});
