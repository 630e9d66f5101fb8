/**
 * The golden vectors in the repository are what every algorithm gives, and what plain loops give.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { discreteSSD, selectiveScan } from '@mambagrad/mamba';
import {
  linearRecurrence, type ScanReference, scanVectors, selectiveRecurrence, ssdRecurrence,
  type VectorArray, type VectorCase,
} from '@mambagrad/mamba/testing';
import { grad, linearScan, type Tensor, tensor } from '@mambagrad/tensor';
import { describe, expect, it } from 'vitest';
import { evaluate } from '../../../packages/mamba/src/testing/reference.ts';
import { formatVectors } from '../../../scripts/vectors/format.ts';
import { expectClose } from '../../support/compare.ts';

const folder = new URL('../../../vectors/', import.meta.url);

interface File {
  readonly equation: string;
  readonly cases: readonly VectorCase[];
}

const read = (name: string) =>
  JSON.parse(readFileSync(new URL(`${name}.json`, folder), 'utf8')) as File;

/** Each array of a call as a tensor. */
function tensorsOf(arrays: Readonly<Record<string, VectorArray>>, requiresGrad = false) {
  return Object.fromEntries(Object.entries(arrays).map(([name, { shape, data }]) => {
    const isFlag = name === 'reset' || name === 'mask';
    const options = isFlag ? { dtype: 'i32' as const } : { dtype: 'f64' as const, requiresGrad };
    return [name, tensor([...data], { shape: [...shape], ...options })];
  }));
}

type Results = { readonly y: Tensor; readonly lastState: Tensor };
type Run = (given: Readonly<Record<string, Tensor>>, reverse: boolean) => Results;

const linear = (algorithm: 'sequential' | 'blelloch' | 'hillisSteele' | 'chunked'): Run =>
  ({ a, b, initialState, reset }, reverse) => {
    const y = linearScan(a, b, {
      axis: 1, algorithm, chunkSize: 16, initialState, reverse, reset: reset?.unsqueeze(-1),
    });
    return { y, lastState: y.narrow(1, reverse ? 0 : b.shape[1] - 1, 1).squeeze(1) };
  };
const selective = (algorithm: 'fused' | 'segmented' | 'sequential' | 'chunked'): Run =>
  ({ u, delta, A, B, C, ...options }) =>
    selectiveScan(u, delta, A, B, C, { algorithm, chunkSize: 16, ...options });
const dual = (algorithm: 'fused' | 'chunked' | 'recurrent'): Run =>
  ({ x, logDecay, B, C, ...options }) =>
    discreteSSD(x, logDecay, B, C, { algorithm, chunkSize: 16, ...options });

const families: Readonly<Record<string, { reference: ScanReference; runs: readonly Run[] }>> = {
  linear: {
    reference: linearRecurrence as ScanReference,
    runs: (['sequential', 'blelloch', 'hillisSteele', 'chunked'] as const).map(linear),
  },
  selective: {
    reference: selectiveRecurrence as ScanReference,
    runs: (['fused', 'segmented', 'sequential', 'chunked'] as const).map(selective),
  },
  ssd: {
    reference: ssdRecurrence as ScanReference,
    runs: (['fused', 'chunked', 'recurrent'] as const).map(dual),
  },
};

describe.each(Object.entries(families))('vectors/%s.json', (file, { reference, runs }) => {
  it.each(read(file).cases.map((one) => [one.name, one] as const))('%s', (_name, one) => {
    const { inputs, results, cotangents, gradients, reverse, sizes } = one;
    for (const run of runs) {
      const leaves = tensorsOf(inputs, true);
      const found = run(leaves, reverse);
      const weights = tensorsOf(cotangents);
      const loss = found.y.mul(weights['y']).sum().add(
        found.lastState.mul(weights['lastState']).sum(),
      );
      expectClose(found.y, results['y'], 1e-12);
      expectClose(found.lastState, results['lastState'], 1e-12);
      const names = Object.keys(gradients);
      const all = grad(loss, names.map((name) => leaves[name]));
      all.forEach((x, i) => expectClose(x, gradients[names[i]], 1e-11));
    }
    const numbers = (name: string) => inputs[name] && Float64Array.from(inputs[name].data);
    const flags = (name: string) => inputs[name] && Int32Array.from(inputs[name].data);
    const plain = evaluate(reference, {
      sizes, reverse, at: 0, seed: 0, initialState: numbers('initialState'),
      inputs: Object.fromEntries(
        Object.keys(reference.inputs).map((name) => [name, numbers(name)]),
      ),
      reset: flags('reset'), mask: flags('mask'),
    });
    for (const result of ['y', 'lastState'] as const) {
      const { shape, data } = results[result];
      expectClose(tensor(plain[result], { shape: [...shape] }), { shape, data }, 1e-13);
    }
  });
});

it('the files are those that npm run vectors writes', async () => {
  const written = await scanVectors();
  expect(readdirSync(folder).sort()).toEqual(
    ['README.md', ...written.map(({ file }) => `${file}.json`)].sort(),
  );
  // Everything but the last digits, which depend on the exp of the engine.
  const rounded = (text: string) =>
    text.replaceAll(/-?\d+\.\d+(?:e-?\d+)?/g, (number) => Number(number).toPrecision(9));
  for (const vectors of written) {
    const text = readFileSync(new URL(`${vectors.file}.json`, folder), 'utf8');
    expect(rounded(text)).toBe(rounded(formatVectors(vectors)));
  }
});
