/** The example that goes to PyTorch and comes back, with PyTorch's part from stored files. */
import { loadSafetensors } from '@mambagrad/nn/node';
import { cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, it, vi } from 'vitest';

const stored = fileURLToPath(new URL('../golden/toPytorch', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'mambagrad-pytorch-'));
afterAll(() => rmSync(folder, { recursive: true }));

let runs = 0;

/** Runs the example with these options, and gives the lines that it prints. */
async function run(...options: readonly string[]): Promise<string[]> {
  const printed: string[] = [];
  vi.spyOn(console, 'log').mockImplementation((text) => void printed.push(String(text)));
  const { argv } = process;
  try {
    process.argv = [argv[0], 'toPytorch', ...options];
    // The program runs when it is imported, so it has another address each time.
    const program = new URL('../../examples/toPytorch.ts', import.meta.url);
    await import(`${program.href}?${runs++}`);
  } finally {
    process.argv = argv;
    vi.restoreAllMocks();
  }
  return printed;
}

it.each(['mamba', 'mamba2'])('%s comes back with the losses it would have had', async (kind) => {
  const copy = join(folder, kind);
  cpSync(join(stored, kind), copy, { recursive: true });
  const printed = await run('--back', '--folder', copy);
  expect(printed).toHaveLength(11);
  const [, largest] = /^The largest difference is (.+)\.$/.exec(printed.at(-1) ?? '') ?? [];
  expect(Number(largest)).toBeLessThan(1e-5);
});

it('writes the files that the script in Python reads', async () => {
  const begun = join(folder, 'begun');
  const small = ['--batch', '2', '--length', '8'];
  const sizes =
    ['--hidden', '4', '--layers', '1', '--state', '2', '--steps', '2', '--compare', '1'];
  const printed = await run('--folder', begun, '--mamba2', ...sizes, ...small);
  expect(printed[1]).toBe(`Now run: python examples/python/continue_training.py ${begun}`);
  for (const name of ['start/config.json', 'run.json']) {
    const keys = (path: string) => Object.keys(JSON.parse(readFileSync(join(path, name), 'utf8')));
    expect(keys(begun)).toEqual(keys(join(stored, 'mamba2')));
  }
  for (const name of ['start/model', 'start/optimizer']) {
    const load = (path: string) => loadSafetensors(join(path, `${name}.safetensors`));
    const [ours, theirs] = [load(begun), load(join(stored, 'mamba2'))];
    expect([...ours.keys()].sort()).toEqual([...theirs.keys()].sort());
    for (const [key, x] of ours) expect(x.shape, key).toEqual(theirs.get(key)?.shape);
  }
  const start = loadSafetensors(join(begun, 'start/optimizer.safetensors'));
  expect(start.get('state.backbone.norm_f.weight.step')?.item()).toBe(2);
});
