/** A few steps of each example that trains: what it prints, and all that it has learned. */
import { Trainer } from '@mambagrad/nn';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Case } from './cases.ts';
import { numbers } from './cases.ts';

/** The compiled examples, relative to the compiled form of this file. */
const programs = new URL('../../../../examples/dist/', import.meta.url);

const small = ['--steps', '3', '--batch', '4'];

/**
 * The options of each run; `FILE` stands for a text that is always the same, `FOLDER` for an empty
 * folder.
 */
const runs: Readonly<Record<string, readonly (readonly string[])[]>> = {
  selectiveCopying: [small, [...small, '--eager', '--layers', '2']],
  directions: [small],
  images: [small],
  writer: [[], ['--mamba2']].map((more) =>
    [...small, '--file', 'FILE', '--folder', 'FOLDER', '--length', '40', '--write', '30', ...more],
  ),
};

/**
 * Imports an example as if it were run with these options, and gives what it printed and the states
 * of its trainers. A second import of it has another name.
 */
async function run(name: string, args: readonly string[]): Promise<unknown> {
  const [{ argv }, { write }, { fit }] = [process, process.stdout, Trainer.prototype];
  const states: unknown[] = [];
  const printed: string[] = [];
  process.argv = [argv[0], name, ...args];
  process.stdout.write = (text: unknown) => printed.push(String(text)) > 0;
  Trainer.prototype.fit = async function (steps) {
    const reason = await fit.call(this, steps);
    const kept = [...this.stateDict()].filter(([key]) => /^(model|optimizer)\./.test(key));
    states.push(kept.map(([key, value]) => [key, value.data]));
    return reason;
  };
  try {
    await import(new URL(`${name}.js?${args.join()}`, programs).href);
  } finally {
    process.argv = argv;
    process.stdout.write = write;
    Trainer.prototype.fit = fit;
  }
  // Lines of progress tell the time, and others where a run is kept.
  const lines = printed.join('').split('\n')
    .filter((line) => !/^step |^Report: |^Saved to /.test(line));
  return { states, lines };
}

/** The cases of all examples. */
export function* exampleCases(): Iterable<Case> {
  for (const [name, lists] of Object.entries(runs)) {
    for (const args of lists) {
      yield [`example ${[name, ...args].join(' ')}`, async () => {
        const folder = mkdtempSync(join(tmpdir(), 'mambagrad-'));
        try {
          const file = join(folder, 'text');
          const letters = Array.from(numbers(3000, 97, 123), (code) => String.fromCharCode(code));
          writeFileSync(file, letters.join(''));
          const paths = new Map([['FILE', file], ['FOLDER', join(folder, 'run')]]);
          return await run(name, args.map((arg) => paths.get(arg) ?? arg));
        } finally {
          rmSync(folder, { recursive: true });
        }
      }];
    }
  }
}
