/** The state of the optimizer in PyTorch's names: a training there and back, and mistakes. */
import {
  loadLanguageModel, loadOptimizerState, MambaLM, saveLanguageModel, saveOptimizerState,
} from '@mambagrad/mamba';
import { AdamW, crossEntropy, SGD } from '@mambagrad/nn';
import { loadSafetensors } from '@mambagrad/nn/node';
import { full, manualSeed, ones, type Tensor, tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { expectClose, expectSame } from '../../support/compare.ts';
import { locate } from '../../support/golden.ts';

interface Run {
  readonly lr: number;
  readonly betas: readonly [number, number];
  readonly eps: number;
  readonly weightDecay: number;
  readonly maxNorm: number;
  readonly losses: readonly number[];
  readonly noWeightDecay: readonly string[];
}

describe.each(['mamba', 'mamba2'])('a training of %s that went to PyTorch', (kind) => {
  const readText = (name: string) => readFileSync(locate(`toPytorch/${kind}/${name}`), 'utf8');
  const load = (name: string) =>
    loadSafetensors(fileURLToPath(locate(`toPytorch/${kind}/${name}.safetensors`)));
  const run = JSON.parse(readText('run.json')) as Run;
  const theirs = JSON.parse(readText('pytorch/losses.json')) as number[];
  const batches = load('batches');

  function open(folder: string) {
    const model = loadLanguageModel(readText(`${folder}/config.json`), load(`${folder}/model`));
    const { lr, betas, eps, weightDecay } = run;
    const optimizer = new AdamW(model.parameters(), { lr, betas, eps, weightDecay });
    const step = (i: number): number => {
      const tokens = batches.get(`batch.${i}`) ?? tensor([]);
      const logits = model.forward(tokens.narrow(1, 0, 8));
      const loss = crossEntropy(logits, tokens.narrow(1, 1, 8));
      optimizer.minimize(loss, { maxNorm: run.maxNorm });
      return loss.item();
    };
    return { model, optimizer, step };
  }
  const steps = (step: (i: number) => number, from: number, to: number): number[] =>
    Array.from({ length: to - from }, (_, i) => step(from + i));

  it('takes the same steps here: losses, parameters and moments', () => {
    const { model, optimizer, step } = open('start');
    loadOptimizerState(model, optimizer, load('start/optimizer'));
    expectClose(tensor(steps(step, 0, 4)), tensor(theirs), 1e-6);
    const [weights, moments] = [load('pytorch/model'), load('pytorch/optimizer')];
    for (const [name, x] of saveLanguageModel(model).tensors) {
      expectClose(x, weights.get(name) ?? tensor([]), 1e-5);
    }
    const saved = saveOptimizerState(model, optimizer);
    expect([...saved.keys()].sort()).toEqual([...moments.keys()].sort());
    for (const [name, x] of saved) expectClose(x, moments.get(name) ?? tensor([]), 1e-4);
  });

  it('goes on from PyTorch as it would have here', () => {
    const { model, optimizer, step } = open('pytorch');
    loadOptimizerState(model, optimizer, load('pytorch/optimizer'));
    expectClose(tensor(steps(step, 4, 8)), tensor(run.losses.slice(4)), 1e-6);
  });

  it('would not, without the moments', () => {
    const { step } = open('pytorch');
    const others = steps(step, 4, 8);
    expect(Math.max(...others.map((loss, i) => Math.abs(loss - run.losses[4 + i]))))
      .toBeGreaterThan(1e-3);
  });

  it('keeps every bit of what it loads', () => {
    for (const folder of ['start', 'pytorch']) {
      const { model, optimizer } = open(folder);
      const stored = load(`${folder}/optimizer`);
      loadOptimizerState(model, optimizer, stored);
      const saved = saveOptimizerState(model, optimizer);
      expect([...saved.keys()].sort()).toEqual([...stored.keys()].sort());
      for (const [name, x] of saved) expectSame(x, stored.get(name) ?? tensor([]));
    }
  });

  it('leaves the same parameters without weight decay', () => {
    const { model } = open('start');
    const names = [...saveLanguageModel(model).tensors.keys()];
    const without = model.parameters().flatMap((x, i) => (x.noWeightDecay ? [names[i]] : []));
    expect(without).toEqual(run.noWeightDecay);
  });
});

const sizes = { vocabSize: 5, hiddenSize: 4, numLayers: 1, stateSize: 2 };
const tokens = tensor([[0, 1, 2, 3]], { dtype: 'i32' });

function take(model: MambaLM, optimizer: AdamW): void {
  const logits = model.forward(tokens);
  optimizer.minimize(crossEntropy(logits, tokens), { allowUnused: true });
}

it('keeps who has missed steps, whatever was frozen when', () => {
  fc.assert(
    fc.property(fc.array(fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }), {
      minLength: 1, maxLength: 3,
    }), fc.boolean(), (frozen, isMamba3) => {
      manualSeed(3);
      // mamba_ssm, in whose names a Mamba-3 is saved, calls the embedding otherwise.
      const options = isMamba3 ? { ...sizes, layer: 'mamba3', stateSize: 4, headDim: 2 } as const
        : sizes;
      const model = new MambaLM(options);
      const optimizer = new AdamW(model.parameters());
      const freeze = (flags: readonly boolean[]) =>
        model.parameters().forEach((x, i) => (x.requiresGrad = i === 0 || !flags[i]));
      for (const flags of frozen) {
        freeze(flags);
        take(model, optimizer);
      }
      freeze([]);
      const saved = saveOptimizerState(model, optimizer);
      const { config, tensors } = saveLanguageModel(model);
      const again = loadLanguageModel(config, tensors);
      const other = new AdamW(again.parameters());
      loadOptimizerState(again, other, saved);
      expect(Array.from(saveOptimizerState(again, other), ([name, x]) => [name, [...x.data]]))
        .toEqual(Array.from(saved, ([name, x]) => [name, [...x.data]]));
      take(model, optimizer);
      take(again, other);
      again.parameters().forEach((x, i) => expectSame(x, model.parameters()[i]));
    }),
    { numRuns: 12 },
  );
});

describe('mistakes', () => {
  const model = new MambaLM(sizes);
  const optimizer = new AdamW(model.parameters());
  take(model, optimizer);
  const stored = saveOptimizerState(model, optimizer);
  const name = 'state.backbone.layers.0.mixer.D';
  const loadWith = (changes: Readonly<Record<string, Tensor | undefined>>) => () => {
    const changed = new Map(stored);
    for (const [key, value] of Object.entries(changes)) {
      if (value) changed.set(key, value);
      else changed.delete(key);
    }
    loadOptimizerState(model, optimizer, changed);
  };

  it('are named, and nothing is loaded', () => {
    take(model, optimizer);
    const before = saveOptimizerState(model, optimizer);
    for (const [changes, message] of [
      [{ [`${name}.exp_avg`]: undefined }, `\n  ${name}.exp_avg is missing`],
      [{ [`${name}.step`]: undefined }, `\n  ${name}.step is missing`],
      [{ [`${name}.max_exp_avg_sq`]: ones([8]) }, `\n  ${name}.max_exp_avg_sq is unexpected`],
      [{ [`${name}.exp_avg_sq`]: ones([7]) }, `${name}.exp_avg_sq is f32[7], expected f32[8]`],
      [{ [`${name}.exp_avg`]: ones([8], { dtype: 'i32' }) }, `is i32[8], expected f32[8]`],
      [{ [`${name}.step`]: full([], 1.5) }, `${name}.step is 1.5, expected a whole number from 0`],
      [{ [`${name}.step`]: full([], -1) }, `${name}.step is -1, expected a whole number from 0`],
      [{ [`${name}.step`]: ones([1]) }, `${name}.step is f32[1], expected f32[]`],
    ] as const) {
      expect(loadWith(changes)).toThrow(`loadOptimizerState:`);
      expect(loadWith(changes)).toThrow(message);
    }
    for (const [key, x] of saveOptimizerState(model, optimizer)) {
      expectSame(x, before.get(key) ?? tensor([]));
    }
  });

  it('also the wrong optimizer, or that of another model', () => {
    const other = new AdamW(new MambaLM(sizes).parameters());
    expect(() => saveOptimizerState(model, other)).toThrow(
      'saveOptimizerState: parameter 0, f32[5, 4], of the optimizer is not one of the model',
    );
    expect(() => saveOptimizerState(model, new SGD(model.parameters()))).toThrow(
      'saveOptimizerState: optimizer is a SGD, expected an Adam or AdamW',
    );
    const wrong = { 'state.x.step': 7 } as unknown as Map<string, Tensor>;
    expect(() => loadOptimizerState(model, optimizer, wrong)).toThrow('expected a Map of tensors');
    const number = new Map([['state.x.step', 7]]) as unknown as Map<string, Tensor>;
    expect(() => loadOptimizerState(model, optimizer, number)).toThrow(
      "tensors.get('state.x.step') is 7, expected a tensor",
    );
  });

  it('steps that older versions store as whole numbers are no mistake', () => {
    const integer = tensor(1, { dtype: 'i32' });
    const whole = Array.from(stored, ([key, x]) =>
      [key, key.endsWith('.step') ? integer : x] as const);
    loadOptimizerState(model, optimizer, new Map(whole));
    for (const [key, x] of saveOptimizerState(model, optimizer)) {
      expectSame(x, stored.get(key) ?? tensor([]));
    }
  });
});
