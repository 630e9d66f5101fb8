/**
 * The seed of all property tests of one run: SEED from the environment or else a random one.
 * Vitest calls this for each project, before the first test; `inject('seed')` gives it to each
 * file.
 */
import { randomInt } from 'node:crypto';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    seed: number;
    /** Whether tests are asked for by name (`-t`). */
    isNamed: boolean;
  }
}

const largest = 2 ** 31 - 1;

export default function chooseSeed(project: TestProject): void {
  const given = process.env['SEED'] ?? '';
  const seed = given === '' ? randomInt(largest) : Number(given);
  if (!/^\d*$/.test(given) || seed > largest) {
    throw new Error(`SEED=${given}: expected an integer from 0 to ${largest}`);
  }
  if (process.env['SEED'] !== String(seed)) {
    console.log(`seed ${seed} (SEED=${seed} npm test repeats this run)`);
  }
  // The other projects of the run get the same.
  process.env['SEED'] = String(seed);
  project.provide('seed', seed);
  project.provide('isNamed', project.config.testNamePattern !== undefined);
}
