/** The models: golden logits and gradients, initialisation, causality, and learning. */
import { Mamba, MambaBlock, MambaLM, selectiveCopying } from '@mambagrad/mamba';
import { AdamW, crossEntropy, type Parameter } from '@mambagrad/nn';
import {
  arange,
  Generator,
  gradcheck,
  noGrad,
  type Tensor,
  tensor,
  uniform,
} from '@mambagrad/tensor';
import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { expectClose, expectSame } from '../support/compare.ts';
import { drawIndices, drawInteger, drawTensor } from '../support/draw.ts';
import { locate } from '../support/golden.ts';
import { readSafetensors, type StoredTensor } from '../support/safetensors.ts';

/** Our parameter names, as transformers spells them. */
function checkpointName(name: string): string {
  const spelled = name
    .replace('embedding.', 'embeddings.')
    .replace('normF', 'norm_f')
    .replace('ALog', 'A_log')
    .replace(/(in|x|dt|out)Proj/, '$1_proj');
  return `backbone.${spelled}`;
}

function load(file: string): Map<string, StoredTensor> {
  return readSafetensors(locate(`mamba_tiny/${file}`));
}

function find(tensors: Map<string, StoredTensor>, name: string): StoredTensor {
  const found = tensors.get(name);
  if (found === undefined) throw new Error(`there is no ${name}`);
  return found;
}

describe('the golden language model', () => {
  const expected = load('expected.safetensors');
  const config = JSON.parse(readFileSync(locate('mamba_tiny/config.json'), 'utf8')) as Record<
    'vocab_size' | 'hidden_size' | 'state_size' | 'time_step_rank' | 'num_hidden_layers',
    number
  >;
  const model = new MambaLM({
    vocabSize: config.vocab_size,
    hiddenSize: config.hidden_size,
    stateSize: config.state_size,
    dtRank: config.time_step_rank,
    numLayers: config.num_hidden_layers,
  }).to('f64');
  const checkpoint = load('model.safetensors');
  for (const [name, parameter] of model.namedParameters()) {
    const { data } = find(checkpoint, checkpointName(name));
    parameter.assign(tensor(data, { shape: parameter.shape, dtype: 'f64' }));
  }
  const ids = find(expected, 'input_ids');
  const tokens = tensor(ids.data, { shape: ids.shape, dtype: 'i32' });

  it('has all parameters of the checkpoint, and no others', () => {
    const names = model.namedParameters().map(([name]) => checkpointName(name));
    expect(names.toSorted()).toEqual([...checkpoint.keys()].sort());
    expect(model.parameterCount()).toBe(3216);
  });

  it('gives the logits, the loss and every gradient', () => {
    const logits = model.forward(tokens);
    // transformers does some steps in float32.
    expectClose(logits, find(expected, 'logits'), 1e-5);
    const length = tokens.shape[1];
    const loss = crossEntropy(logits.narrow(1, 0, length - 1), tokens.narrow(1, 1, length - 1));
    expect(loss.item()).toBeCloseTo(find(expected, 'loss').data[0], 5);
    loss.backward();
    for (const [name, parameter] of model.namedParameters()) {
      const { data } = find(expected, `grad.${checkpointName(name)}`);
      if (parameter.grad === undefined) throw new Error(`${name} has no gradient`);
      expectClose(parameter.grad.flatten(), { shape: [data.length], data }, 1e-5);
    }
  });
});

describe('MambaBlock', () => {
  it('starts as the paper says', () => {
    const block = new MambaBlock({ hiddenSize: 32, stateSize: 8, generator: new Generator(1) });
    expect(block.namedParameters().map(([name, { shape }]) => [name, shape])).toEqual([
      ['inProj.weight', [128, 32]],
      ['conv1d.weight', [64, 4]],
      ['conv1d.bias', [64]],
      ['xProj.weight', [18, 64]],
      ['dtProj.weight', [64, 2]],
      ['dtProj.bias', [64]],
      ['ALog', [64, 8]],
      ['D', [64]],
      ['outProj.weight', [32, 64]],
    ]);
    const A = arange(1, 9).broadcastTo([64, 8]);
    expectClose(block.ALog.exp(), A, 1e-6);
    const delta = block.dtProj.bias?.softplus();
    expect(delta?.min().item()).toBeGreaterThanOrEqual(0.000999);
    expect(delta?.max().item()).toBeLessThanOrEqual(0.1001);
    expect(delta?.log().mean().item()).toBeCloseTo(Math.log(0.01), 0);
    expect(block.D.toArray()).toEqual(Array.from({ length: 64 }, () => 1));
    const undecayed = block.namedParameters().filter(([, { noWeightDecay }]) => noWeightDecay);
    expect(undecayed.map(([name]) => name)).toEqual(['dtProj.bias', 'ALog', 'D']);
  });

  it('has the parameter count of the formula', () => {
    // 2I·D + (I·K + I) + I(R + 2N) + (I·R + I) + I·N + I + D·I, at the README example of the paper.
    expect(new MambaBlock({ hiddenSize: 16 }).parameterCount()).toBe(3360);
  });

  it('has the gradients of finite differences, for input and parameters', () => {
    const block = new MambaBlock({ hiddenSize: 3, stateSize: 2, generator: new Generator(2) });
    block.to('f64');
    const parameters = block.parameters();
    const x = uniform([2, 4, 3], -1, 1, { dtype: 'f64', generator: new Generator(3) });
    gradcheck(block.forward.bind(block), [x]);
    const gradientOf = (parameter: Parameter): Tensor | undefined => {
      parameter.grad = undefined;
      block.forward(x).square().sum().backward();
      return parameter.grad;
    };
    for (const parameter of parameters) {
      const before = parameter.detach();
      const loss = () => block.forward(x).square().sum();
      const gradient = gradientOf(parameter);
      const h = 1e-5;
      const bump = tensor([h, ...new Array<number>(parameter.numel - 1).fill(0)], {
        shape: parameter.shape,
        dtype: 'f64',
      });
      const above = noGrad(() => (parameter.assign(before.add(bump)), loss().item()));
      const below = noGrad(() => (parameter.assign(before.sub(bump)), loss().item()));
      parameter.assign(before);
      expect(gradient?.data[0]).toBeCloseTo((above - below) / (2 * h), 6);
    }
  });
});

describe('MambaLM', () => {
  it('does not let the future change the past, nor rows of a batch each other', () => {
    const model = new MambaLM({ vocabSize: 11, hiddenSize: 8, stateSize: 4 }).to('f64');
    fc.assert(
      fc.property(fc.gen(), fc.integer({ min: 1, max: 20 }), (g, length) => {
        const [row, other] = [drawIndices(g, [1, length], 11), drawIndices(g, [1, length], 11)];
        const alone = model.forward(row);
        expectClose(model.forward(row.concat([other])).narrow(0, 0, 1), alone, 1e-14);
        const t = drawInteger(g, 0, length);
        const changed = row.narrow(1, 0, t).concat([other.narrow(1, t, length - t)], 1);
        expectSame(model.forward(changed).narrow(1, 0, t), alone.narrow(1, 0, t));
      }),
      { numRuns: 30 },
    );
  });
});

describe('Mamba', () => {
  it('gives the last step of the sequence, projecting inputs of another size', () => {
    const model = new Mamba({ embedDim: 5, hiddenSize: 8, stateSize: 4, numLayers: 1 }).to('f64');
    expect(model.inputProjection?.weight.shape).toEqual([8, 5]);
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const x = drawTensor(g, [2, drawInteger(g, 1, 7), 5]);
        const sequence = model.forwardSequence(x);
        expect(sequence.shape).toEqual([2, x.shape[1], 8]);
        expectSame(model.forward(x), sequence.narrow(1, x.shape[1] - 1, 1).squeeze(1));
      }),
      { numRuns: 20 },
    );
    expect(new Mamba({ embedDim: 8, hiddenSize: 8 }).inputProjection).toBeUndefined();
  });
});

describe('selectiveCopying', () => {
  it('asks for the tokens among the noise, in order', () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.integer({ min: 1, max: 6 }), (seed, tokens) => {
        const options = { tokens, places: 9, vocabSize: 6, generator: new Generator(seed) };
        const { inputs, targets } = selectiveCopying(3, options);
        expect(inputs.shape).toEqual([3, 9 + tokens]);
        const rows = inputs.toArray() as number[][];
        expect(rows.map((row) => row.slice(0, 9).filter((token) => token !== 0))).toEqual(
          targets.toArray(),
        );
        for (const row of rows) expect(row.slice(9)).toEqual(new Array(tokens).fill(5));
        expect(targets.data.every((token: number) => token >= 1 && token <= 4)).toBe(true);
      }),
    );
  });

  it('refuses sizes that leave no room or nothing to remember', () => {
    expect(() => selectiveCopying(1, { tokens: 5, places: 4 })).toThrow('5 tokens do not fit');
    expect(() => selectiveCopying(1, { vocabSize: 2 })).toThrow('a vocabulary of 2');
  });
});

describe('training', () => {
  /** The losses of a few steps of a tiny model on selective copying. */
  function train(seed: number): number[] {
    const generator = new Generator(seed);
    const model = new MambaLM({ vocabSize: 6, hiddenSize: 12, stateSize: 4, generator });
    const optimizer = new AdamW(model.parameters(), { lr: 0.01 });
    return Array.from({ length: 30 }, () => {
      const { inputs, targets } = selectiveCopying(8, {
        tokens: 1,
        places: 4,
        vocabSize: 6,
        generator,
      });
      const loss: Tensor = crossEntropy(model.forward(inputs).narrow(1, 4, 1), targets);
      optimizer.minimize(loss);
      return loss.item();
    });
  }

  it('brings the loss down, and gives the same losses bit for bit from the same seed', () => {
    const losses = train(1);
    const mean = (part: number[]) => part.reduce((sum, loss) => sum + loss, 0) / part.length;
    expect(mean(losses.slice(-5))).toBeLessThan(0.75 * mean(losses.slice(0, 5)));
    expect(train(1)).toEqual(losses);
    expect(train(2)).not.toEqual(losses);
  });
});
