/**
 * The programs of examples/: each trains a step, of each model if there are several, and ends with
 * what it has to show.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { oneOf } from './support/soak.ts';

const text = fileURLToPath(new URL('../README.md', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'mambagrad-examples-'));
const picture = join(folder, 'remember.svg');
const chart = join(folder, 'induction.svg');
afterAll(() => rmSync(folder, { recursive: true }));
const small = ['--steps', '1', '--batch', '2', '--hidden', '4', '--seed', '7'];
/** One step of all the data, in a folder `name`. */
const once = (name: string) => [
  '--epochs', '1', '--hidden', '2', '--layers', '1', '--folder', join(folder, name),
];

/** Those that the program `layers` compares, or one of them. */
const someLayers = oneOf([
  'GRU', 'minGRU', 'LRU', 'S5', 'RetNet', 'GLA', 'DeltaNet', 'gated DeltaNet', 'Mamba', 'Mamba-2',
  'Mamba-3',
]);

let runs = 0;

/** Runs a program with these options, and gives what it printed; if it exits, throws why. */
async function run(name: string, options: readonly string[]): Promise<string> {
  const printed: string[] = [];
  const print = (text: unknown) => printed.push(String(text)) > 0;
  vi.spyOn(process.stdout, 'write').mockImplementation(print);
  vi.spyOn(console, 'log').mockImplementation(print);
  vi.spyOn(console, 'error').mockImplementation(print);
  vi.spyOn(process, 'exit').mockImplementation((code) => {
    throw new Error(`exit ${code}: ${printed.at(-1)}`);
  });
  const { argv } = process;
  try {
    process.argv = [argv[0], name, ...options];
    // A module is evaluated once; with another query it is another module.
    await import(new URL(`../examples/${name}.ts?run=${++runs}`, import.meta.url).href);
  } finally {
    process.argv = argv;
    vi.restoreAllMocks();
  }
  return printed.join('\n');
}

it.each([
  ['directions', 'Accuracy on 512 fresh sequences', ['--length', '8']],
  ['images', 'Accuracy on 512 fresh images', ['--layers', '2']],
  ['induction', `Drawn to ${chart}`, [
    '--longest', '6', '--state', '2', '--steps', '4', '--svg', chart,
  ]],
  ['parity', '8 bits: ', ['--length', '5', '--test', '8', '--state', '4', '--count', '50']],
  [
    'layers', 'Accuracy on 128 fresh sequences',
    someLayers.length > 1 ? [] : ['--only', ...someLayers],
  ],
  ['remember', `Drawn to ${picture}`, ['--places', '10', '--tokens', '2', '--svg', picture]],
  ['selectiveCopying', 'Accuracy on 256 fresh sequences', ['--state', '2']],
])('%s', async (name, shown, options) => {
  const printed = await run(name, [...small, ...options]);
  expect(printed).toMatch(/step (\d+)\/\1 /);
  expect(printed).toContain(shown);
});

describe('programs on real data', () => {
  it.each([
    ['digits', '1237', [/most common digit +10\.0 %/, /most similar image +95\.6 %/]],
    ['forecast', '479', [
      /last year's rise( +0\.8[67]){4} +0\.87/, /mean rise( +0\.\d\d){4} +0\.67/,
    ]],
    ['names', '3932', [/all letters alike +4\.75/, /Of 20 names that it wrote/]],
  ])('%s is compared with its baselines, and has a report', async (name, batch, shown) => {
    const more = { digits: ['--readers', '2'], names: ['--write', '20'] }[name] ?? [];
    const options = [...once(name), '--batch', batch, ...more];
    const printed = await run(name, options);
    for (const pattern of shown) expect(printed).toMatch(pattern);
    expect(printed).toContain(`Report: ${join(folder, name, 'report.html')}`);
    expect(readFileSync(join(folder, name, 'report.html'), 'utf8')).toContain(`<h1>${name}</h1>`);
  });

  it('a run is not mixed with another in its folder, but resumed', async () => {
    const options = [...once('forecast'), '--batch', '479'];
    await expect(run('forecast', options)).rejects
      .toThrow(/exit 2: .*holds a run already; --resume/);
    // The folder remembers the other options.
    const again = ['--folder', join(folder, 'forecast'), '--resume'];
    const resumed = await run('forecast', [...again, '--epochs', '2']);
    expect(resumed).toMatch(/step 2\/2 /);
    await expect(run('forecast', [...again, '--hidden', '3'])).rejects
      .toThrow(/exit 2: .*has been begun with other options: hidden was 2, is 3;/);
  });

  it('a run without a folder of its own keeps its checkpoints where it is told to', async () => {
    const path = join(folder, 'copying');
    await run('selectiveCopying', [...small, '--state', '2', '--checkpoint', path]);
    const resumed =
      await run('selectiveCopying', ['--steps', '2', '--checkpoint', path, '--resume']);
    expect(resumed).toMatch(/Resumed from .*step-1.safetensors.*\n+step 2\/2 /);
  });

  it('forecastNext uses the model that forecast has saved', async () => {
    const printed = await run('forecastNext', ['--load', join(folder, 'forecast')]);
    const months = [...printed.matchAll(/^ {2}(\w+ \d{4}) +(\d+\.\d\d) {2}\+\d\.\d\d$/gm)];
    expect(months.map(([, month]) => month)).toHaveLength(12);
    expect([months[0][1], months[11][1]]).toEqual(['May 2020', 'April 2021']);
    for (const [, , value] of months) expect(Math.abs(Number(value) - 415)).toBeLessThan(10);
    expect(printed).toMatch(/were off by 0\.\d\d ppm/);
  });

  it('writer trains, saves, and writes with the model that it has saved', async () => {
    const path = join(folder, 'writer');
    const printed = await run('writer', [
      ...small, '--layers', '1', '--file', text, '--length', '8', '--prompt', 'row', '--write', '3',
      '--every', '1', '--folder', path,
    ]);
    expect(printed).toMatch(/step 1\/1 .*validation/);
    expect(printed).toContain('Sample after step 1:\nrow');
    expect(printed).toMatch(/gzip.* [2-4]\.\d\d\n.*four bytes +[2-4]\.\d\d\n.*model +\d\.\d\d\n/);
    const again = await run('writer', ['--load', path, '--prompt', 'row', '--write', '3']);
    expect(again).toMatch(/^\nrow/);
    expect(JSON.parse(readFileSync(join(path, 'config.json'), 'utf8'))).toMatchObject({
      model_type: 'mamba', vocab_size: 256, hidden_size: 4,
    });
  });

  it.each([
    ['digits', ['--resume', '--folder', join(folder, 'none')], /there is no run to resume in /],
    ['digits', ['--epochs', '0'], /--epochs takes a whole number from 1, not '0'/],
    ['forecastNext', ['--load', folder], /no such file/],
    ['forecastNext', ['--load', join(folder, 'forecast'), '--file', text], /readCsv: /],
    ['writer', ['--load', folder], /--load: .*no such file/],
    ['writer', ['--load', folder, '--resume'], /--load and --resume exclude one another/],
    ['writer', ['--file', join(folder, 'none')], /no such file/],
  ])('%s %j is refused', async (name, options, problem) => {
    const error: unknown = await run(name, options).catch((error: unknown) => error);
    expect(String(error)).toMatch(/^Error: exit 2: /);
    expect(String(error)).toMatch(problem);
  });
});

it.each([
  ['remember', picture, [
    'What a Mamba remembers that copies 2 tokens from among 10 places', 'answer 2', 'token 2',
    'step',
  ]],
  ['induction', chart, ['accuracy over the length of the sequence', '64', 'the special token']],
])('%s draws a picture that is whole', (_name, file, words) => {
  const svg = readFileSync(file, 'utf8');
  expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  // Every element is closed, in the order in which they were opened.
  const open: string[] = [];
  for (const [, closes, name, isEmpty] of svg.matchAll(/<(\/?)(\w+)[^>]*?(\/?)>/g)) {
    if (closes) expect(open.pop()).toBe(name);
    else if (!isEmpty) open.push(name);
  }
  expect(open).toEqual([]);
  const texts = [...svg.matchAll(/<text[^>]*>([^<]*)</g)].map(([, content]) => content);
  expect(texts).toEqual(expect.arrayContaining(words));
});
