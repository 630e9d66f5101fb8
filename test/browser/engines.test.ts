/**
 * Bun and Deno, where they are on the path: they train, on one thread and on two, generate, save
 * and load, with the bits of Node. `npm run consumers -- --fetch` gets both, and tries the tarballs
 * there.
 */
import { describe, expect, test } from 'vitest';
import { type Call, hasEngine, runOn } from '../support/engines.ts';

const calls: readonly Call[] = [
  ['train'], ['train', { threads: 2 }], ['train', { backend: 'js', layer: 'mamba2', steps: 5 }],
  ['generate'], ['load'], ['save'],
];

describe.each(['Bun', 'Deno'] as const)('%s', (engine) => {
  test.skipIf(!hasEngine(engine))('gives the results of Node, bit for bit', async () => {
    const [results, expected] = await Promise.all([runOn(engine, calls), runOn('Node', calls)]);
    expect(results).toHaveLength(calls.length);
    expect(results).toEqual(expected);
    const [one, two] = expected;
    expect(two).toEqual(one);
  });
});
