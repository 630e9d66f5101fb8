/**
 * The programs of examples/: each trains a step, of each model if there are several, and ends with
 * what it has to show.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it, vi } from 'vitest';

const text = fileURLToPath(new URL('../README.md', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'mambagrad-examples-'));
const picture = join(folder, 'remember.svg');
const chart = join(folder, 'induction.svg');
afterAll(() => rmSync(folder, { recursive: true }));
const small = ['--steps', '1', '--batch', '2', '--hidden', '4', '--seed', '7'];

it.each([
  ['directions', 'Accuracy on 512 fresh sequences', ['--length', '8']],
  ['images', 'Accuracy on 512 fresh images', ['--layers', '2']],
  ['induction', `Drawn to ${chart}`, [
    '--longest', '6', '--state', '2', '--steps', '4', '--svg', chart,
  ]],
  ['parity', '8 bits: ', ['--length', '5', '--test', '8', '--state', '4', '--count', '50']],
  ['layers', 'Accuracy on 128 fresh sequences', []],
  ['remember', `Drawn to ${picture}`, ['--places', '10', '--tokens', '2', '--svg', picture]],
  ['selectiveCopying', 'Accuracy on 256 fresh sequences', ['--state', '2']],
  ['writer', 'A model', [
    '--file', text, '--layers', '1', '--length', '8', '--prompt', 'a', '--write', '3',
  ]],
])('%s', async (name, shown, options) => {
  const printed: string[] = [];
  const print = (text: unknown) => printed.push(String(text)) > 0;
  vi.spyOn(process.stdout, 'write').mockImplementation(print);
  vi.spyOn(console, 'log').mockImplementation(print);
  const { argv } = process;
  try {
    process.argv = [argv[0], name, ...small, ...options];
    await import(new URL(`../examples/${name}.ts`, import.meta.url).href);
  } finally {
    process.argv = argv;
    vi.restoreAllMocks();
  }
  expect(printed.join('')).toMatch(/step (\d+)\/\1 /);
  expect(printed.join('')).toContain(shown);
});

it.each([
  ['remember', picture, [
    'What a Mamba remembers that copies 2 tokens from among 10 places', 'answer 2', 'token 2', 'step',
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
