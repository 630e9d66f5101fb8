/** Mamba-2: golden values, start, counts, causality, and step by step against all at once. */
import { gatedRmsNorm, Mamba2, Mamba2Block, MambaLM } from '@mambagrad/mamba';
import { crossEntropy, rmsNorm } from '@mambagrad/nn';
import { compile, concat, Generator, gradcheck, tensor, type Tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectClose, expectSame } from '../support/compare.ts';
import { type Draw, drawInteger, drawTensor } from '../support/draw.ts';
import { checkpointName, goldenModel } from '../support/goldenModel.ts';

describe('the golden language model', () => {
  const { config, checkpoint, tokens, expected, fill } = goldenModel('mamba2_tiny');
  const model = fill(
    new MambaLM({
      block: Mamba2Block,
      vocabSize: config.vocab_size,
      hiddenSize: config.hidden_size,
      stateSize: config.state_size,
      headDim: config.head_dim,
      numGroups: config.n_groups,
      chunkSize: config.chunk_size,
      numLayers: config.num_hidden_layers,
      normGroups: 1,
    }),
  );

  it('has all parameters of the checkpoint, in its shapes, and no others', () => {
    const found = model.namedParameters().map(([name, { shape }]) => [checkpointName(name), shape]);
    // Convolutions have an axis of size 1 there, for channels that are not mixed.
    const shapes = [...checkpoint].map(([name, { shape }]) => [
      name,
      name.endsWith('conv1d.weight') ? [shape[0], shape[2]] : shape,
    ]);
    expect(new Map(found as [])).toEqual(new Map(shapes as []));
    expect(model.parameterCount()).toBe(5368);
  });

  it('gives the logits, the loss and every gradient', () => {
    const logits = model.forward(tokens);
    // transformers does some steps in float32.
    expectClose(logits, expected('logits'), 1e-5);
    const length = tokens.shape[1];
    const loss = crossEntropy(logits.narrow(1, 0, length - 1), tokens.narrow(1, 1, length - 1));
    expect(loss.item()).toBeCloseTo(expected('loss').data[0], 5);
    loss.backward();
    for (const [name, parameter] of model.namedParameters()) {
      const { data } = expected(`grad.${checkpointName(name)}`);
      if (parameter.grad === undefined) throw new Error(`${name} has no gradient`);
      expectClose(parameter.grad.flatten(), { shape: [data.length], data }, 1e-5);
    }
  });

  it('goes on with the greedy tokens', () => {
    const greedy = tensor(expected('greedy').data).cast('i32').unsqueeze(0);
    const predicted = model.forward(greedy).argmax(-1);
    expect(greedy.shape).toEqual([1, 29]);
    expectSame(predicted.narrow(1, 4, 24), greedy.narrow(1, 5, 24));
  });
});

/** Options of a small block or model. */
function drawShape(g: Draw) {
  const [headDim, perGroup, numGroups] = [2, 2, 2].map((max) => drawInteger(g, 1, max));
  const inner = headDim * perGroup * numGroups;
  const expandFactor = inner % 2 === 0 ? drawInteger(g, 1, 2) : 1;
  return {
    hiddenSize: inner / expandFactor,
    stateSize: drawInteger(g, 1, 3),
    headDim,
    numGroups,
    expandFactor,
    convSize: drawInteger(g, 1, 4),
    chunkSize: drawInteger(g, 1, 5),
    ...(g(fc.boolean) && { normGroups: g(fc.boolean) ? 1 : inner }),
    normBeforeGate: g(fc.boolean),
  };
}

describe('Mamba2Block', () => {
  it('starts as the authors say', () => {
    const block = new Mamba2Block({
      hiddenSize: 32,
      stateSize: 8,
      headDim: 2,
      numGroups: 4,
      generator: new Generator(1),
    });
    expect(block.namedParameters().map(([name, { shape }]) => [name, shape])).toEqual([
      ['inProj.weight', [64 + 128 + 32, 32]],
      ['conv1d.weight', [128, 4]],
      ['conv1d.bias', [128]],
      ['dtBias', [32]],
      ['ALog', [32]],
      ['D', [32]],
      ['norm.weight', [64]],
      ['outProj.weight', [32, 64]],
    ]);
    const within = (x: Tensor, low: number, high: number) => {
      expect(x.min().item()).toBeGreaterThanOrEqual(low);
      expect(x.max().item()).toBeLessThanOrEqual(high);
      return x;
    };
    const delta = within(block.dtBias.softplus(), 0.000999, 0.1001);
    expect(delta.log().mean().item()).toBeCloseTo(Math.log(0.01), 0);
    const rates = within(block.ALog.exp(), 0.9999, 16.001);
    expect(Math.abs(rates.mean().item() - 8.5)).toBeLessThan(2.5);
    within(block.inProj.weight, -1 / Math.sqrt(32), 1 / Math.sqrt(32));
    expect(block.D.toArray()).toEqual(Array.from({ length: 32 }, () => 1));
    const undecayed = block.namedParameters().filter(([, { noWeightDecay }]) => noWeightDecay);
    expect(undecayed.map(([name]) => name)).toEqual(['dtBias', 'ALog', 'D', 'norm.weight']);
  });

  it('has the gradients of finite differences, for input and parameters', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const options = drawShape(g);
        const block = new Mamba2Block(options).to('f64');
        const parameters = block.namedParameters();
        const put = (values: readonly Tensor[]) =>
          parameters.forEach(([name], i) => setField(block, name.split('.'), values[i]));
        const x = drawTensor(g, [2, drawInteger(g, 1, 4), options.hiddenSize]);
        gradcheck(
          (input, ...values) => {
            put(values);
            return block.forward(input);
          },
          [x, ...block.parameters()],
          // A norm of few small numbers is steep.
          { step: 1e-6 },
        );
      }),
      { numRuns: 5 },
    );
  });

  it('gives the same for any size of its chunks', () => {
    fc.assert(
      fc.property(fc.gen(), fc.integer({ min: 0, max: 20 }), (g, length) => {
        const options = drawShape(g);
        const make = (chunkSize: number) =>
          new Mamba2Block({ ...options, chunkSize, generator: new Generator(1) }).to('f64');
        const x = drawTensor(g, [2, length, options.hiddenSize]);
        expectClose(make(drawInteger(g, 1, 25)).forward(x), make(1).forward(x), 1e-12);
      }),
      { numRuns: 30 },
    );
  });

  it('refuses heads that do not come out even', () => {
    expect(() => new Mamba2Block({ hiddenSize: 10, headDim: 8 })).toThrow(
      'Mamba2: 20 channels (expandFactor · hiddenSize) do not make heads of 8 in 1 groups',
    );
    expect(() => Mamba2Block.paramCount({ hiddenSize: 8, headDim: 8, numGroups: 3 })).toThrow(
      'change headDim or numGroups',
    );
  });

  it('has the published counts of large models, which are not built', () => {
    const count = (vocab: number, hiddenSize: number, layers: number, numGroups = 1) => {
      const layer = hiddenSize + Mamba2Block.paramCount({ hiddenSize, numGroups });
      return vocab * hiddenSize + layers * layer + hiddenSize;
    };
    // Codestral 7B has a head of its own beside the embedding.
    expect(count(2 * 32768, 4096, 64, 8)).toBe(7_285_403_648);
    expect(count(50288, 768, 24)).toBe(128_989_632);
    expect(count(50288, 2560, 64)).toBe(2_702_599_680);
  });
});

function setField(owner: object, path: readonly string[], value: unknown): void {
  const [key, ...rest] = path;
  if (rest.length === 0) Reflect.set(owner, key, value);
  else setField(Reflect.get(owner, key) as object, rest, value);
}

describe('gatedRmsNorm', () => {
  it('gates before or after each group is normalised by itself', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const [normGroups, width] = [drawInteger(g, 1, 3), drawInteger(g, 1, 4)];
        const [x, z] = [0, 1].map(() => drawTensor(g, [2, 3, normGroups * width]));
        const weight = drawTensor(g, [normGroups * width]);
        const normed = (y: Tensor): Tensor => {
          const weights = weight.split(width);
          return concat(y.split(width, -1).map((part, i) => rmsNorm(part, weights[i])), -1);
        };
        const run = (normBeforeGate: boolean) =>
          gatedRmsNorm(x, z, weight, { normGroups, normBeforeGate });
        expectClose(run(false), normed(x.mul(z.silu())), 1e-14);
        expectClose(run(true), normed(x).mul(z.silu()), 1e-14);
      }),
      { numRuns: 30 },
    );
  });
});

describe('Mamba2', () => {
  const drawModel = (g: Draw) => {
    const embedDim = drawInteger(g, 1, 4);
    const options = { embedDim, ...drawShape(g), numLayers: drawInteger(g, 0, 3) };
    return { options, model: new Mamba2(options).to('f64') };
  };

  it('has the counts and sizes that it says without being built', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const { options, model } = drawModel(g);
        expect(model.parameterCount()).toBe(Mamba2.paramCount(options));
        const x = drawTensor(g, [2, 3, options.embedDim]);
        expect(model.forward(x).shape).toEqual([2, Mamba2.outputSize(options)]);
      }),
      { numRuns: 30 },
    );
    const options = { embedDim: 256, ...Mamba2.recommendedDefaults() };
    expect(new Mamba2(options).parameterCount()).toBe(Mamba2.paramCount(options));
    expect(Mamba2.paramCount({ embedDim: 256 })).toBe(Mamba2.paramCount(options));
  });

  it('gives step by step, from any point on, what it gives at once', () => {
    fc.assert(
      fc.property(fc.gen(), fc.integer({ min: 1, max: 12 }), (g, length) => {
        const { options, model } = drawModel(g);
        const x = drawTensor(g, [2, length, options.embedDim]);
        const whole = model.forwardSequence(x);
        let state = model.initialState(2);
        for (let t = 0; t < length; t++) {
          const after = model.step(x.narrow(1, t, 1).squeeze(1), state);
          expectClose(after.y, whole.narrow(1, t, 1).squeeze(1), 1e-11);
          state = after.state;
        }
        expectSame(model.forward(x), whole.narrow(1, length - 1, 1).squeeze(1));
      }),
      { numRuns: 30 },
    );
  });

  it('can be cut anywhere, block by block', () => {
    fc.assert(
      fc.property(fc.gen(), fc.integer({ min: 0, max: 12 }), (g, length) => {
        const options = drawShape(g);
        const block = new Mamba2Block(options).to('f64');
        const x = drawTensor(g, [2, length, options.hiddenSize]);
        const cut = drawInteger(g, 0, length);
        const first = block.prefill(x.narrow(1, 0, cut), block.initialState(2));
        const second = block.prefill(x.narrow(1, cut, length - cut), first.state);
        expectClose(first.y.concat([second.y], 1), block.forward(x), 1e-12);
      }),
      { numRuns: 30 },
    );
  });

  it('does not let the future change the past, nor rows of a batch each other', () => {
    fc.assert(
      fc.property(fc.gen(), fc.integer({ min: 1, max: 12 }), (g, length) => {
        const { options, model } = drawModel(g);
        const draw = () => drawTensor(g, [1, length, options.embedDim]);
        const [row, other] = [draw(), draw()];
        const alone = model.forwardSequence(row);
        expectClose(model.forwardSequence(row.concat([other])).narrow(0, 0, 1), alone, 1e-13);
        const t = drawInteger(g, 0, length);
        const changed = row.narrow(1, 0, t).concat([other.narrow(1, t, length - t)], 1);
        expectSame(model.forwardSequence(changed).narrow(1, 0, t), alone.narrow(1, 0, t));
      }),
      { numRuns: 30 },
    );
  });

  it('predicts compiled, without dropout, as it does eagerly; steps compile, too', () => {
    const options = { embedDim: 3, hiddenSize: 4, headDim: 2, stateSize: 3, dropout: 0.5 };
    const model = new Mamba2({ ...options, windowSize: 7 }).prepare();
    const x = tensor([[[1, 2, 3], [-1, 0, 2]]]);
    const predicted = model.predict(x);
    expect(model.forward(x).sub(predicted).abs().max().item()).toBeGreaterThan(0);
    expectClose(model.train(false).forward(x), predicted, 1e-5);
    const step = compile(model.step.bind(model));
    const [first, second] = x.unbind(1);
    const after = step(second, step(first, model.initialState(1)).state);
    expectClose(after.y, predicted, 1e-6);
  });
});
