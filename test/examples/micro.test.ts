/**
 * The model in one file (examples/micro.ts): it has no import, learns, and computes what the
 * packages compute. The file is a program that trains when it is loaded, and exports nothing. So
 * its sections above the training are copied to a module that exports them.
 */
import { MambaLM } from '@mambagrad/mamba';
import { AdamW, crossEntropy, type Parameter } from '@mambagrad/nn';
import { grad, type Tensor, tensor } from '@mambagrad/tensor';
import { readFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { expectClose } from '../support/compare.ts';
import { writeIfChanged } from '../support/recipes.ts';
import { runs } from '../support/soak.ts';
import { withoutComments } from '../support/source.ts';

const text = readFileSync(new URL('../../examples/micro.ts', import.meta.url), 'utf8');
const [sections, training] = text.split(/^(?=\/\/ 5\. )/m);

/** A number of the file. */
interface Value {
  data: number;
  grad: number;
}

/** The names of the parameters in the file, by those in the package. */
const parameterNames = {
  'embedding.weight': 'embedding',
  'layers.0.norm.weight': 'norm',
  'layers.0.mixer.inProj.weight': 'inProj',
  'layers.0.mixer.conv1d.weight': 'conv',
  'layers.0.mixer.conv1d.bias': 'convBias',
  'layers.0.mixer.ssm.xProj.weight': 'xProj',
  'layers.0.mixer.ssm.dtProj.weight': 'dtProj',
  'layers.0.mixer.ssm.dtProj.bias': 'dtBias',
  'layers.0.mixer.ssm.ALog': 'ALog',
  'layers.0.mixer.ssm.D': 'D',
  'layers.0.mixer.outProj.weight': 'outProj',
  'normF.weight': 'normF',
} as const;

type Parameters = Record<typeof parameterNames[keyof typeof parameterNames], Value[] | Value[][]>;

interface Sections extends Parameters {
  readonly names: readonly string[];
  readonly parameters: readonly Value[];
  tokensOf(name: string): number[];
  lossesOf(name: string): Value[];
  add(a: Value, b: Value): Value;
  backward(loss: Value): void;
  update(step: number, lr: number, beta1: number, beta2: number, weightDecay: number): void;
}

/** Loads a text as a module of its own. */
async function load(name: string, code: string): Promise<unknown> {
  const file = fileURLToPath(new URL(`../generated/${name}.ts`, import.meta.url));
  writeIfChanged(file, code);
  return import(/* @vite-ignore */ pathToFileURL(file).href);
}

const exported = ['names', 'parameters', 'tokensOf', 'lossesOf', 'add', 'backward', 'update'];
const micro = await load(
  'micro', `${sections}export { ${[...exported, ...Object.values(parameterNames)].join(', ')} };\n`,
) as Sections;

/** The same model of the package, in float64, with the same weights. */
function packageModel(): Record<keyof typeof parameterNames, Parameter> & { model: MambaLM } {
  const model = new MambaLM({
    vocabSize: 27, hiddenSize: 16, stateSize: 8, numLayers: 1, expandFactor: 2, convSize: 4,
  }).to('f64');
  const named = Object.fromEntries(model.namedParameters());
  expect(Object.keys(named).sort()).toEqual(Object.keys(parameterNames).sort());
  for (const [name, parameter] of Object.entries(named)) {
    const values = valuesOf(name);
    expect(values).toHaveLength(parameter.numel);
    parameter.assign(asTensor(values.map(({ data }) => data), parameter));
  }
  return { ...named as Record<keyof typeof parameterNames, Parameter>, model };
}

function valuesOf(name: string): Value[] {
  return micro[parameterNames[name as keyof typeof parameterNames]].flat();
}

const asTensor = (data: readonly number[], { shape }: Tensor): Tensor =>
  tensor(Float64Array.from(data), { shape });

function lossOf(model: MambaLM, name: string): Tensor {
  const tokens = Int32Array.from(micro.tokensOf(name));
  const inputs = tensor(tokens.slice(0, -1), { shape: [1, tokens.length - 1] });
  const targets = tensor(tokens.slice(1), { shape: [1, tokens.length - 1] });
  return crossEntropy(model.forward(inputs), targets, { reduction: 'sum' });
}

describe('the file', () => {
  it('has fewer than 250 lines, and neither imports nor exports', () => {
    expect(text.trimEnd().split('\n').length).toBeLessThan(250);
    expect(withoutComments(text)).not.toMatch(/\b(?:import|export|require|process|globalThis)\b/);
  });

  it('has the names of the data that it says', () => {
    const all = readFileSync(new URL('../../examples/data/names.txt', import.meta.url), 'utf8');
    expect(micro.names).toEqual(all.trim().split('\n').filter((_, i) => i % 15 === 0));
  });

  it('learns: soon the loss is far below what the frequency of letters gives', async () => {
    const log = vi.spyOn(console, 'log').mockReturnValue();
    await load('microProgram', sections + training.replace('steps = 300', 'steps = 60'));
    const printed = log.mock.calls.map(([line]) => String(line));
    log.mockRestore();
    const numberIn = (pattern: RegExp): number => Number(pattern.exec(printed.join('\n'))?.[1]);
    const baseline = numberIn(/alone: (.*)/);
    expect(baseline).toBeGreaterThan(2.6);
    expect(baseline).toBeLessThan(Math.log(27));
    expect(numberIn(/step 60\/60 {2}held-out loss (\S+)/)).toBeLessThan(baseline - 0.25);
    const written = printed.at(-1)?.split('\n').at(-1)?.split(' ') ?? [];
    expect(written.length).toBeGreaterThan(20);
    expect(written.filter((name) => !/^[a-z]{1,12}$/.test(name))).toEqual([]);
    expect(written.filter((name) => micro.names.includes(name))).toEqual([]);
  });
});

describe('the packages', () => {
  it('have the same loss and gradients, for any letters', () => {
    const { model } = packageModel();
    const named = model.namedParameters();
    fc.assert(fc.property(fc.stringMatching(/^[a-z]{0,12}$/), (name) => {
      const losses = micro.lossesOf(name);
      const total = losses.reduce(micro.add);
      const loss = lossOf(model, name);
      expect(Math.abs(total.data / loss.item() - 1)).toBeLessThan(1e-12);
      for (const parameter of micro.parameters) parameter.grad = 0;
      micro.backward(total);
      const gradients = grad(loss, named.map(([, parameter]) => parameter));
      for (const [i, [key]] of named.entries()) {
        const found = valuesOf(key).map((value) => value.grad);
        expectClose(asTensor(found, gradients[i]), gradients[i], 1e-10);
      }
    }), { numRuns: runs(20) });
  });

  it('take the same steps with AdamW', () => {
    const { model, 'layers.0.mixer.conv1d.bias': convBias } = packageModel();
    for (const parameter of micro.parameters) parameter.grad = 0;
    // In the file no vector decays.
    const others = model.parameters().filter((parameter) => parameter !== convBias);
    const optimizer = new AdamW(
      [{ params: others }, { params: [convBias], weightDecay: 0 }],
      { lr: 0.01, betas: [0.9, 0.99], weightDecay: 0.1 },
    );
    for (const [i, name] of ['anna', 'bo', 'charlotte'].entries()) {
      optimizer.minimize(lossOf(model, name));
      micro.backward(micro.lossesOf(name).reduce(micro.add));
      micro.update(i + 1, 0.01, 0.9, 0.99, 0.1);
      for (const [key, parameter] of model.namedParameters()) {
        const found = asTensor(valuesOf(key).map(({ data }) => data), parameter);
        expectClose(found, parameter, 1e-10);
      }
    }
  });
});
