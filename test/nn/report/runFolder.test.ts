/** The folder of a run: what a trainer leaves there, and what a kill may spoil. */
import { Linear, mseLoss, SGD, Trainer } from '@mambagrad/nn';
import { loadLog, loadRunOptions, logFile, runFolder } from '@mambagrad/nn/node';
import { manualSeed, ones } from '@mambagrad/tensor';
import fc from 'fast-check';
import {
  mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, expectTypeOf, test } from 'vitest';
import { eachInFolder } from '../../support/folder.ts';

let folder = '';
eachInFolder((made) => {
  folder = made;
});

const trainerIn = (path: string, keep?: number) => {
  manualSeed(1);
  const model = new Linear(2, 1);
  return new Trainer({
    model, optimizer: new SGD(model.parameters(), { lr: 0.1 }), data: () => ones([3, 2]),
    loss: (x) => ({ loss: mseLoss(model.forward(x), ones([3, 1])) }), compile: false,
    checkpointEvery: 2, resume: true, ...runFolder(path, { keep }),
  });
};

test('keeps checkpoints and the log of a run, and goes on with both', async () => {
  const path = join(folder, 'runs', 'line');
  await trainerIn(path).fit(5);
  const log = join(path, 'log.jsonl');
  expect(readdirSync(path).sort()).toEqual([
    'log.jsonl', ...[2, 4, 5].map((step) => `step-${step}.safetensors`),
  ]);
  await trainerIn(path, 1).fit(8);
  const { steps, brokenLines } = loadLog(log);
  expect(steps.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  expect(brokenLines).toEqual([]);

  // As after a kill: the checkpoint is older than the log, whose last line is half a line.
  rmSync(join(path, 'step-8.safetensors'));
  truncateSync(log, readFileSync(log).length - 30);
  const before = loadLog(log).steps;
  await trainerIn(path).fit(9);
  const after = loadLog(log);
  expect(after.steps.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(after.brokenLines).toHaveLength(1);
  expect(before.map(({ metrics }) => metrics)).toEqual(
    after.steps.slice(0, before.length).map(({ metrics }) => metrics),
  );
});

test('a run remembers the options that it was begun with, and refuses others', async () => {
  const path = join(folder, 'run');
  const options = { hidden: 32, name: 'x', sizes: [1, 2], none: undefined };
  const nested = { adam: { lr: 0.1, betas: [0.9, 0.99] } };
  const turned = { adam: { betas: [0.9, 0.99], lr: 0.1 } };
  expect(loadRunOptions(path)).toBeUndefined();
  // Before anything is trained they may still change.
  runFolder(path, { options: { hidden: 16 } });
  runFolder(path, { options });
  const kept = loadRunOptions<{ hidden: number }>(path);
  expect(kept).toEqual({ hidden: 32, name: 'x', sizes: [1, 2] });
  expectTypeOf(kept).toEqualTypeOf<{ hidden: number } | undefined>();
  await trainerIn(path).fit(2);
  runFolder(path, { options: { ...options } });
  runFolder(path);
  const others = { ...options, hidden: 64, sizes: [1, 3], epochs: 4 };
  expect(() => runFolder(path, { options: others })).toThrow(
    `runFolder: the run in ${path} has been begun with other options: hidden was 32, is 64; ` +
      'sizes was [1,2], is [1,3]; epochs was not given, is 4; give the same ' +
      'ones, or another folder',
  );
  expect(loadRunOptions(path)).toEqual(kept);
  runFolder(path, { options: { ...options, epochs: 4, hidden: 32 }, mayChange: ['epochs'] });
  expect(loadRunOptions(path)).toEqual({ ...kept, epochs: 4 });
  runFolder(path, { options: { ...options, epochs: 4, ...nested }, mayChange: ['adam'] });
  runFolder(path, { options: { ...turned, ...options, epochs: 4 } });
  const fewer = { ...options, epochs: 4, adam: { betas: [0.99, 0.9], lr: 0.1 } };
  expect(() => runFolder(path, { options: fewer })).toThrow(
    'adam was {"betas":[0.9,0.99],"lr":0.1}, is {"betas":[0.99,0.9],"lr":0.1};',
  );
  expect(readdirSync(path).sort()).toEqual(['log.jsonl', 'options.json', 'step-2.safetensors']);

  expect(() => runFolder(path, { options: { rate: NaN } })).toThrow(
    'runFolder: options.rate is NaN, which JSON',
  );
  expect(() => runFolder(path, { options: [1] })).toThrow(
    'options is [1], expected a plain object of options',
  );
  writeFileSync(join(path, 'options.json'), '{"hidden":');
  expect(() => loadRunOptions(path)).toThrow('options.json is not JSON: {"hidden":');
  writeFileSync(join(path, 'options.json'), '3');
  expect(() => runFolder(path, { options })).toThrow('options.json holds 3, expected an object');
});

test('options that cannot be kept leave no half of them behind', () => {
  mkdirSync(join(folder, 'options.json'));
  expect(() => runFolder(folder, { options: { hidden: 32 } })).toThrow('options.json');
  expect(readdirSync(folder)).toEqual(['options.json']);
});

test('a log that is cut anywhere goes on with a new line', () => {
  const lines = ['{"step":1}', '{"step":2}', '{"step":3}'];
  const text = `${lines.join('\n')}\n`;
  fc.assert(
    fc.property(fc.nat(text.length), (length) => {
      const path = join(folder, `${length}`, 'log.jsonl');
      const first = logFile(path);
      for (const line of lines) first.write(`${line}\n`);
      expect(readFileSync(path, 'utf8')).toBe(text);
      truncateSync(path, length);
      logFile(path).write('{"step":4}\n');
      const { steps, brokenLines } = loadLog(path);
      expect(steps.at(-1)?.step).toBe(4);
      // Between lines, and before the line break of one, nothing is lost.
      const isBroken = ![0, lines[0].length].includes(length % (lines[0].length + 1));
      expect(brokenLines).toHaveLength(isBroken ? 1 : 0);
      rmSync(path);
    }),
  );
});

test('reads the log of a folder, too, and says where there is none', () => {
  const path = join(folder, 'whole');
  const step = { step: 1, lr: 1, gradientNorm: 1, metrics: { loss: 1 }, seconds: 1 };
  runFolder(path).log.write(`${JSON.stringify(step)}\n`);
  expect(loadLog(path)).toEqual(loadLog(join(path, 'log.jsonl')));
  expect(loadLog(path).steps).toHaveLength(1);
  const missing = join(folder, 'x');
  expect(() => loadLog(missing)).toThrow(`loadLog: there is nothing at ${missing}`);
  mkdirSync(join(folder, 'empty'));
  expect(() => loadLog(join(folder, 'empty'))).toThrow('empty: log.jsonl is missing');
});

test('refuses options that are wrong', () => {
  expect(() => runFolder(3 as never)).toThrow('runFolder: path is 3, expected a string');
  expect(() => runFolder(folder, { keep: 0 })).toThrow(
    'runFolder: keep is 0, expected a whole number',
  );
  expect(() => logFile(3 as never)).toThrow('logFile: path is 3, expected a string');
  expect(() => loadLog(3 as never)).toThrow('loadLog: path is 3, expected a string');
});
