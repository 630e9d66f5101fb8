/** The modules of this repository are recurrent: step by step, in pieces and whole they agree. */
import {
  DepthwiseConv1d, Mamba, Mamba2, Mamba2Block, Mamba3Block, MambaBlock, MambaLM, SelectiveSSM,
} from '@mambagrad/mamba';
import { checkRecurrent, PropertyError, type RecurrentModel } from '@mambagrad/mamba/testing';
import type { Module } from '@mambagrad/nn';
import { concat, Generator, type Tensor, tensor, zeros } from '@mambagrad/tensor';
import { describe, expect, it } from 'vitest';
import { runs, someOf } from '../../support/soak.ts';

const generator = new Generator(1);
const width = 3;
const block = { hiddenSize: width, stateSize: 2, generator };
const sizes = { ...block, numLayers: 2 };
const parts = { headDim: 2, numGroups: 3, chunkSize: 3 };
const heads = { ...sizes, ...parts, hiddenSize: 6 };

/** The module in float64, with values far from those at the start, which are small. */
function shaken<M extends Module>(module: M): M {
  module.to('f64');
  for (const parameter of module.parameters()) {
    const noise = Array.from({ length: parameter.numel }, (_, i) => 0.4 * Math.sin(1 + 1.7 * i));
    const { shape } = parameter;
    parameter.assign(parameter.detach().add(tensor(noise, { shape, dtype: 'f64' })));
  }
  return module;
}

/**
 * Blocks that take long steps, and so turn far. Angles are exact to the rounding of a whole turn,
 * however small they are: where all were small, that would look like a mistake.
 */
function turning<M extends Module>(module: M): M {
  for (const [path, bias] of shaken(module).namedParameters()) {
    if (path.endsWith('dtBias')) bias.assign(bias.add(3));
  }
  return module;
}

const kernels = [1, 2, 4];
const modules: readonly (readonly [string, RecurrentModel])[] = [
  ...kernels.map((K) => [`DepthwiseConv1d ${K}`, shaken(new DepthwiseConv1d(width, K))] as const),
  ['SelectiveSSM', shaken(new SelectiveSSM({ channels: width, stateSize: 2, generator }))],
  ['MambaBlock', shaken(new MambaBlock({ ...block, bias: true }))],
  ['Mamba2Block', shaken(new Mamba2Block({ ...block, ...parts }))],
  ['Mamba3Block', turning(new Mamba3Block({ ...block, ...parts, stateSize: 5, ropeFraction: 1 }))],
  ['Mamba3Block of rank 2', turning(new Mamba3Block({
    ...block, headDim: 2, chunkSize: 3, stateSize: 4, mimoRank: 2, learnableInitStates: true,
  }))],
  ['Mamba', shaken(new Mamba({ ...sizes, embedDim: width, hiddenSize: 4, convSize: 3 }))],
  ['Mamba2', shaken(new Mamba2({ ...heads, embedDim: width, normBeforeGate: true }))],
];
const languageModels: readonly (readonly [string, RecurrentModel])[] = [
  ['Mamba', shaken(new MambaLM({ ...sizes, vocabSize: 5, tieEmbeddings: false }))],
  ['Mamba-2', shaken(new MambaLM({ ...heads, vocabSize: 5, layer: 'mamba2' }))],
  ['Mamba-3', turning(new MambaLM({
    ...heads, stateSize: 4, numLayers: 1, vocabSize: 5, layer: 'mamba3',
  }))],
];

const rounds = { flags: true, numRuns: runs(6), maxLength: 6 };

it.each(someOf(modules))('%s', async (_name, module) => {
  await checkRecurrent(module, { ...rounds, width });
});

it.each(someOf(languageModels))('MambaLM of %s', async (_name, model) => {
  await checkRecurrent(model, { ...rounds, vocabSize: 5 });
});

/** A running sum, which is recurrent, with the given functions in the place of its own. */
function sum(wrong: Partial<RecurrentModel<Tensor>> = {}): RecurrentModel<Tensor> {
  const scan: RecurrentModel<Tensor>['scan'] = (x, { state } = {}) => {
    const start = state ?? x.sum(1).mul(0);
    const y = x.cumsum(1).add(start.unsqueeze(1));
    return { y, state: start.add(x.sum(1)) };
  };
  const step: RecurrentModel<Tensor>['step'] = (x, state) =>
    ({ y: x.add(state), state: x.add(state) });
  return { scan, step, ...wrong };
}

describe('checkRecurrent', () => {
  it('says what it has checked, and what not and why', async () => {
    const { checked, leftOut } = await checkRecurrent(sum(), { width: 2, seed: 1 });
    expect(checked.map(({ property }) => property)).toEqual([
      'repeatable', 'pieces', 'step', 'causality', 'batch',
    ]);
    expect(leftOut).toContainEqual({ property: 'packed', why: 'the option flags is not set' });
    expect(leftOut).toContainEqual({
      property: 'forward', why: 'the model has no function forward',
    });
  });

  it.each<[string, string, Partial<RecurrentModel<Tensor>>]>([
    ['pieces', 'a state that is not carried over', {
      scan: (x) => ({ y: x.cumsum(1), state: x.sum(1) }),
    }],
    ['step', 'a step that forgets its input', {
      step: (x, state) => ({ y: x.add(state), state }),
    }],
    ['causality', 'a mean over all steps', {
      scan: (x, { state } = {}) => {
        const mean = x.shape[1] > 0 ? x.mean(1, true) : x.sum(1, true);
        return { y: x.sub(mean), state: state ?? x.sum(1).mul(0) };
      },
    }],
    ['batch', 'rows that hear each other', {
      scan: (x) => ({ y: x.add(x.sum(0, true)), state: zeros([1]) }),
    }],
    ['repeatable', 'a state that the step changes', {
      step: (x, state) => {
        state.data[0] += 1;
        return { y: x.add(state), state: x.add(state) };
      },
    }],
  ])('finds, as %s, %s', async (property, _mistake, wrong) => {
    const only = [property as 'pieces'];
    const error = await checkRecurrent(sum(wrong), { width: 2, only }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(PropertyError);
    expect((error as PropertyError).property).toBe(property);
  });

  it('names the property, the smallest input and both results', async () => {
    const wrong = sum({ scan: (x) => ({ y: x.cumsum(1), state: concat([x, x], 1).sum(1) }) });
    await expect(checkRecurrent(wrong, { width: 1, seed: 1, name: 'mine' })).rejects.toThrow(
      /: mine: pieces: cut anywhere.* hold: cut .* is .*, expected [^]* x [^]* found [^]* expected/,
    );
    await expect(checkRecurrent(sum())).rejects.toThrow('one of the options width and vocabSize');
  });
});
