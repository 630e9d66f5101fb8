/**
 * Mamba-3 against golden values: five blocks, SISO and MIMO, from a given state and from none, with
 * the gradients of the input, of every parameter and of the states. In float64, and compiled.
 */
import { Mamba3Block, type Mamba3State } from '@mambagrad/mamba';
import { loadSafetensors } from '@mambagrad/nn/node';
import { compile, type DType, grad, type Tensor } from '@mambagrad/tensor';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { locate } from '../../support/golden.ts';

interface Meta {
  readonly D: number;
  readonly N: number;
  readonly P: number;
  readonly G: number;
  readonly R: number;
  readonly a: number;
  readonly outproj_norm: boolean;
  readonly activation: 'heavy' | 'softplus';
  readonly parameters: number;
}

const metas = JSON.parse(readFileSync(locate('mamba3/mamba3.json'), 'utf8')) as
  Readonly<Record<string, Meta>>;
const tensors = loadSafetensors(fileURLToPath(locate('mamba3/mamba3.safetensors')));

/** The names of the parameters there, by ours. */
const theirs = (path: string) =>
  path.replace(/\B[A-Z]/g, (capital) => `_${capital.toLowerCase()}`);

const names = ['theta', 'ssm', 'k', 'v'] as const;

/** The k of a state is [B, H, R, N] there, and [B, R, H, N] in mamba_ssm and here. */
const asHere = (name: string, x: Tensor) => (name === 'k' ? x.transpose(1, 2) : x);

function caseOf(name: string, dtype: DType) {
  const { D, N, P, G, R, a, outproj_norm: outputNorm, activation } = metas[name];
  const value = (path: string): Tensor => {
    const found = tensors.get(`${name}/${path}`);
    if (!found) throw new Error(`${name}/${path} is missing`);
    return found.cast(dtype);
  };
  const block = new Mamba3Block({
    hiddenSize: D, stateSize: N, headDim: P, numGroups: G, mimoRank: R, outputNorm, chunkSize: 4,
    ropeFraction: a === N / 2 ? 1 : 0.5, decay: activation === 'heavy' ? 'heavyTail' : 'softplus',
  }).to(dtype);
  for (const [path, parameter] of block.namedParameters()) {
    parameter.assign(value(`param/${theirs(path)}`));
  }
  const stateOf = (kind: string): Mamba3State => {
    const [theta, ssm, k, v] = names.map((key) => asHere(key, value(`${kind}/${key}`)));
    return { theta, ssm, k, v };
  };
  return { block, value, stateOf };
}

/** The largest error, relative to the largest magnitude. */
function errorOf(found: Tensor, expected: Tensor): number {
  expect(found.shape).toEqual(expected.shape);
  const [x, y] = [found, expected].map((each) => each.cast('f64'));
  return x.sub(y).abs().max().item() / Math.max(y.abs().max().item(), 1e-300);
}

/** Results and all gradients by name, with those that are expected. */
function measure(name: string, dtype: DType, isCompiled: boolean) {
  const { block, value, stateOf } = caseOf(name, dtype);
  const leaf = (x: Tensor) => {
    const own = x.detach();
    own.requiresGrad = true;
    return own;
  };
  const given = stateOf('state_in');
  const inputs = [value('u'), ...names.map((key) => given[key])].map(leaf);
  const cotangents = [value('cotangent/y'), ...names.map((key) => stateOf('cotangent')[key])];
  const run = (u: Tensor, theta: Tensor, ssm: Tensor, k: Tensor, v: Tensor) => {
    const { y, state } = block.scan(u, { state: { theta, ssm, k, v } });
    const results = [y, ...names.map((key) => state[key])];
    const loss = results.map((x, i) => x.mul(cotangents[i]).sum()).reduce((a, b) => a.add(b));
    return { results, gradients: grad(loss, [u, theta, ssm, k, v, ...block.parameters()]) };
  };
  const [u, theta, ssm, k, v] = inputs;
  const { results, gradients } = (isCompiled ? compile(run) : run)(u, theta, ssm, k, v);
  const scan = (x: Tensor) => block.scan(x);
  const fromZero = (isCompiled ? compile(scan) : scan)(u);
  const paths = block.namedParameters().map(([path]) => theirs(path));
  const [expected, ofState] = [stateOf('state_out'), stateOf('grad_state')];
  const atZero = stateOf('state_out_from_zero');
  return new Map<string, readonly [found: Tensor, expected: Tensor]>([
    ['y', [results[0], value('y')]],
    ['y from zero', [fromZero.y, value('y_from_zero')]],
    ['gradient of u', [gradients[0], value('grad_u')]],
    ...names.flatMap((key, i) => [
      [key, [results[i + 1], expected[key]]] as const,
      [`${key} from zero`, [fromZero.state[key], atZero[key]]] as const,
      [`gradient of ${key}`, [gradients[i + 1], ofState[key]]] as const,
    ]),
    ...paths.map((path, i) =>
      [`gradient of ${path}`, [gradients[i + 5], value(`grad/${path}`)]] as const),
  ]);
}

describe.each(Object.keys(metas))('%s', (name) => {
  it('has the parameters', () => {
    const { block } = caseOf(name, 'f64');
    expect(block.parameterCount()).toBe(metas[name].parameters);
    const given = Array.from(tensors.keys()).filter((key) => key.startsWith(`${name}/param/`));
    expect(given.map((key) => key.slice(name.length + 7)).toSorted()).toEqual(
      block.namedParameters().map(([path]) => theirs(path)).toSorted(),
    );
  });

  it.each([
    ['float64', 'f64', false, 1e-9], ['compiled float32', 'f32', true, 1e-5],
  ] as const)('has the values and all gradients in %s', (_title, dtype, isCompiled, tolerance) => {
    for (const [what, [found, expected]] of measure(name, dtype, isCompiled)) {
      expect(errorOf(found, expected), what).toBeLessThan(tolerance);
    }
  });
});
