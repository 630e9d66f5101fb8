/** Models under observation: which layers are found, in which mode they run, at what cost. */
import {
  BiMamba, Mamba, Mamba2, MambaBlock, MambaLM, MambaND, observe, SelectiveSSM,
} from '@mambagrad/mamba';
import { Linear, Module } from '@mambagrad/nn';
import { concat, type Tensor, tensor } from '@mambagrad/tensor';
import { describe, expect, test } from 'vitest';
import { expectClose, expectSame } from '../../support/compare.ts';
import { generator, layers } from '../../support/observed.ts';

describe('observe', () => {
  const sizes = { hiddenSize: 4, stateSize: 2, numLayers: 2, generator };
  const tokens = tensor([[1, 4, 0, 2, 3]], { dtype: 'i32' });
  const x = drawFixed([1, 5, 4]);

  function drawFixed(shape: readonly number[]): Tensor {
    const count = shape.reduce((product, size) => product * size, 1);
    return tensor(Float32Array.from({ length: count }, (_, i) => Math.sin(1 + 1.7 * i)), { shape });
  }

  /** A model of somebody else's, with a layer of ours that runs twice. */
  class Classifier extends Module {
    readonly block = new MambaBlock({ hiddenSize: 4, stateSize: 2, generator });
    readonly head = new Linear(4, 3, { generator });

    forward(input: Tensor): Tensor {
      return this.head.forward(this.block.forward(this.block.forward(input)).mean(1));
    }
  }

  test('finds the layers of every model, by name and in order', () => {
    const names = (model: Module & { forward(x: Tensor): Tensor }, input = x) => {
      const { y, layers: found } = observe(model, input);
      expect(y.requiresGrad).toBe(false);
      expectClose(y, model.forward(input), 1e-6);
      return found.map(String);
    };
    const pool = 'none' as const;
    expect(names(new MambaLM({ ...sizes, vocabSize: 5 }), tokens)).toEqual([
      'layers.0.mixer.ssm: SelectiveSSM, 1 × 5 steps, 8 channels, state 2',
      'layers.1.mixer.ssm: SelectiveSSM, 1 × 5 steps, 8 channels, state 2',
    ]);
    expect(names(new MambaLM({ ...sizes, vocabSize: 5, layer: 'mamba2', headDim: 2 }), tokens)[1])
      .toBe('layers.1.mixer: Mamba2Block, 1 × 5 steps, 4 heads of 2 channels, state 2');
    const mamba3 = { ...sizes, stateSize: 4, vocabSize: 5, layer: 'mamba3', headDim: 4 } as const;
    expect(names(new MambaLM(mamba3), tokens)[0])
      .toBe('layers.0.mixer: Mamba3Block, 1 × 5 steps, 2 heads of 4 channels, state 4');
    expect(names(new MambaLM({ ...mamba3, mimoRank: 3 }), tokens)[1])
      .toBe('layers.1.mixer: Mamba3Block, 1 × 5 steps, 2 heads of 4 channels, state 4, 3 ranks');
    expect(names(new Mamba({ ...sizes, embedDim: 4, pool }))).toHaveLength(2);
    expect(names(new Mamba2({ ...sizes, embedDim: 4, headDim: 4, pool }))).toHaveLength(2);
    const both = new BiMamba({ ...sizes, embedDim: 4, dropout: 0, numLayers: 1, pool });
    expect(names(both)).toEqual([
      'layers.0.mixer.fromLeft: SelectiveSSM, 1 × 5 steps, 4 channels, state 2',
      'layers.0.mixer.fromRight: SelectiveSSM, 1 × 5 steps, 4 channels, state 2',
    ]);
    const createCore = () => new MambaBlock({ hiddenSize: 4, stateSize: 2, generator });
    const grid = new MambaND(createCore, { bidirectional: true });
    expect(names(grid, drawFixed([1, 2, 3, 4]))).toEqual([
      'cores.0.ssm: SelectiveSSM, 1 × 6 steps, 8 channels, state 2',
      'cores.1.ssm: SelectiveSSM, 1 × 6 steps, 8 channels, state 2',
    ]);
    expect(names(new Classifier()).map((line) => line.split(':')[0])).toEqual([
      'block.ssm', 'block.ssm',
    ]);
    expect(names(layers.Mamba2Block, x.narrow(2, 0, 2).cast('f64'))[0]).toMatch(/^Mamba2Block: /);
  });

  test('a scan from the right begins with the last step', () => {
    const model = new BiMamba({ ...sizes, embedDim: 4, numLayers: 1 });
    const [forwards, backwards] = [x, x.flip(1)].map((input) => observe(model, input).layers);
    const { fromLeft, fromRight } = model.layers[0].mixer as never as Record<string, SelectiveSSM>;
    expectSame(backwards[0].u, forwards[1].u);
    expect([forwards[0].layer, forwards[1].layer]).toEqual([fromLeft, fromRight]);
  });

  test('in pieces, from the state after the one before, it is as in one', () => {
    const model = new MambaLM({ ...sizes, vocabSize: 5 }).to('f64');
    const whole = observe(model, tokens);
    const first = observe(model, tokens.narrow(1, 0, 2));
    const second = observe(model, tokens.narrow(1, 2, 3), { state: first.state, layers: [1] });
    expectClose(concat([first.y, second.y], 1), whole.y, 1e-12);
    expect(second.layers).toHaveLength(1);
    expect(second.layers[0].name).toBe('layers.1.mixer.ssm');
    expectClose(second.layers[0].delta, whole.layers[1].delta.narrow(1, 2, 3), 1e-12);
  });

  test('runs in eval, and listens to nothing afterwards', () => {
    const model = new Mamba({ ...sizes, embedDim: 4, dropout: 0.9 });
    expectSame(observe(model, x).layers[1].delta, observe(model, x).layers[1].delta);
    expect(model.training).toBe(true);
    class Failing extends Classifier {
      override forward(input: Tensor): Tensor {
        observe(this.block, input);
        this.block.forward(input);
        throw new Error('after the block');
      }
    }
    const outer = new Failing();
    expect(() => observe(outer, x)).toThrow('after the block');
    expect(observe(model, x).layers).toHaveLength(2);
  });

  test('an observation within an observation is not part of the outer one', () => {
    class Looking extends Classifier {
      override forward(input: Tensor): Tensor {
        expect(observe(this.block, input).layers).toHaveLength(1);
        return super.forward(input);
      }
    }
    expect(observe(new Looking(), x).layers).toHaveLength(2);
  });

  test('keeps the digits of decays near 1', () => {
    const layer = new SelectiveSSM({ channels: 1, stateSize: 1, generator });
    layer.dtProj.bias.assign(tensor([-18]));
    layer.xProj.weight.assign(layer.xProj.weight.detach().mul(0));
    const { layers: [seen] } = observe(layer, drawFixed([1, 2, 1]));
    const expected = Math.log1p(Math.exp(-18));
    expect(seen.decay().data[0]).toBe(1);
    expect(-seen.logDecay().data[0] / expected).toBeCloseTo(1, 6);
    expect(seen.halfLife().item() / (Math.LN2 / expected)).toBeCloseTo(1, 6);
  });

  test('a long sequence costs what is looked at', () => {
    const layer = new SelectiveSSM({ channels: 2, stateSize: 2, generator }).to('f64');
    const length = 20_000;
    const long = drawFixed([1, length, 2]).cast('f64');
    const { layers: [seen] } = observe(layer, long);
    const [outputs, inputs] = [[length - 2, length], [length - 50, length]] as const;
    const wide = seen.influence({ outputs, channels: [1] });
    expect(wide.shape).toEqual([1, 1, 2, length]);
    const tall = seen.influence({ inputs, channels: [1] });
    expect(tall.shape).toEqual([1, 1, length, 50]);
    expectClose(wide.narrow(3, length - 50, 50), tall.narrow(2, length - 2, 2), 1e-12);
  });

  test('refuses what cannot be right', () => {
    const model = new Mamba({ ...sizes, embedDim: 4 });
    const { layers: [layer] } = observe(model, x);
    const call = (f: () => unknown, message: string) => expect(f).toThrow(message);
    call(() => observe(new Linear(4, 3), x),
      'observe: no layer of Linear ran a selective scan; expected a model with SelectiveSSM,');
    call(() => observe({} as never, x), 'observe: model is {}, expected a Module');
    call(() => observe(model, x, { layers: [2] }),
      'observe: layers has 2, expected numbers from 0 to 1');
    call(
      () => observe(model, x, { layer: [2] } as never),
      "observe: there is no option 'layer'; did you mean 'layers'?",
    );
    call(() => observe(model, tokens), 'Mamba: x is i32[1, 5], expected f32[batch, length, 4]');
    call(() => observe(new BiMamba({ ...sizes, embedDim: 4 }) as never, x, { state: [] as never }),
      'observe: BiMamba takes no state, as it has no scan');
    call(() => layer.influence({ channels: [8] }),
      'ObservedLayer.influence: channels has 8, expected numbers from 0 to 7');
    call(() => layer.influence({ channels: [] }),
      'ObservedLayer.influence: channels is [], expected an array of the numbers of channels');
    call(() => layer.influence({ outputs: [0, 6] }),
      'ObservedLayer.influence: outputs is [0, 6], expected a range within the 5 steps');
    call(() => layer.decay({ steps: [3, 3] }),
      'ObservedLayer.decay: steps is [3, 3], expected an array of two steps [from, to]');
    call(() => layer.retention({ from: 5 }),
      'ObservedLayer.retention: [from, to] is [5, 5], expected a range within the 5 steps');
  });
});
