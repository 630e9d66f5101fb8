/** States in which documents begin, given to a scan or learned by a block; and D per channel. */
import {
  discreteSSD, loadLanguageModel, Mamba2Block, Mamba3Block, MambaBlock, MambaLM,
  type MambaLMOptions, type Mixer, observe, optionsOfConfig, saveLanguageModel, selectiveScan,
  SelectiveSSM, type SequenceFlags, ssd,
} from '@mambagrad/mamba';
import type { Parameter } from '@mambagrad/nn';
import { concat, grad, manualSeed, type Tensor, tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  compiledValueAndGradients, expectClose, expectSame, valueAndGradients,
} from '../../support/compare.ts';
import { type Draw, drawInteger, drawTensor } from '../../support/draw.ts';
import { checkGradients, joined } from '../../support/gradients.ts';
import { drawDocuments, drawFlags } from '../../support/sequences.ts';
import { runs } from '../../support/soak.ts';

interface Options extends SequenceFlags {
  readonly statesAt?: Tensor;
  readonly initialState?: Tensor;
  readonly resetState?: Tensor;
}

/** The first four inputs have steps; the others are those of the scan, and the two states. */
interface Subject {
  readonly inputs: readonly Tensor[];
  run(inputs: readonly Tensor[], options: Options): {
    readonly y: Tensor; readonly lastState: Tensor; readonly statesAt?: Tensor;
  };
}

const scans: Readonly<Record<string, (g: Draw, length: number) => Subject>> = {
  selectiveScan: (g, length) => {
    const [batch, inGroup, groups, state] = [2, 3, 2, 3].map((max) => drawInteger(g, 1, max));
    const channels = inGroup * groups;
    const algorithm = g(fc.constantFrom, 'fused', 'segmented', 'blelloch');
    return {
      inputs: [
        drawTensor(g, [batch, length, channels]), drawTensor(g, [batch, length, channels]),
        drawTensor(g, [batch, length, groups, state]),
        drawTensor(g, [batch, length, groups, state]),
        drawTensor(g, [channels, state], -2, -0.1), drawTensor(g, [batch, channels, state]),
        drawTensor(g, [channels, state]),
      ],
      run: ([u, delta, B, C, A], options) =>
        selectiveScan(u, delta, A, B, C, { deltaSoftplus: true, algorithm, ...options }),
    };
  },
  ssd: (g, length) => {
    const [batch, groups, inGroup, headDim, state] = [2, 2, 2, 3, 3].map((max) =>
      drawInteger(g, 1, max));
    const heads = groups * inGroup;
    const options = {
      algorithm: g(fc.constantFrom, 'fused', 'chunked', 'recurrent'), chunkSize: 8,
    } as const;
    const isDiscrete = g(fc.boolean);
    return {
      inputs: [
        drawTensor(g, [batch, length, heads, headDim]), drawTensor(g, [batch, length, heads], 0, 2),
        drawTensor(g, [batch, length, groups, state]),
        drawTensor(g, [batch, length, groups, state]),
        drawTensor(g, [heads], -2, -0.1), drawTensor(g, [batch, heads, headDim, state]),
        drawTensor(g, [heads, headDim, state]),
      ],
      run: ([x, dt, B, C, A], given) => isDiscrete
        ? discreteSSD(x, dt.mul(A), B, C, { ...options, ...given })
        : ssd(x, dt, A, B, C, { ...options, ...given }),
    };
  },
};

/** Everything that a scan gives, with states at given steps. */
const everything = (subject: Subject, options: Options) => (...inputs: Tensor[]): Tensor => {
  const [initialState, resetState] = inputs.slice(-2);
  const { y, lastState, statesAt } = subject.run(inputs, { ...options, initialState, resetState });
  return joined([y, lastState, ...(statesAt ? [statesAt] : [])]);
};

describe.each(Object.entries(scans))('resetState of %s', (_name, make) => {
  it('is where packed documents begin, as if each were alone', () => {
    fc.assert(
      fc.property(fc.gen(), fc.integer({ min: 1, max: 40 }), (g, length) => {
        const subject = make(g, length);
        const [batch] = subject.inputs[0].shape;
        const { lengths, flags } = drawDocuments(g, [batch, length]);
        let end = 0;
        const ends = lengths.map((count) => (end += count) - 1);
        const statesAt = tensor(Array.from({ length: batch }, () => ends), { dtype: 'i32' });
        const alone = (...inputs: Tensor[]): Tensor => {
          const [initialState, resetState] = inputs.slice(-2);
          const begun = resetState.broadcastTo(initialState.shape);
          const parts = lengths.map((count, i) => {
            const own = inputs.map((x, at) =>
              at < 4 ? x.narrow(1, ends[i] + 1 - count, count) : x);
            return subject.run(own, { initialState: i === 0 ? initialState : begun });
          });
          const last = parts.map((part) => part.lastState.unsqueeze(1));
          return joined([
            concat(parts.map(({ y }) => y), 1), parts[parts.length - 1].lastState, concat(last, 1),
          ]);
        };
        const expected = valueAndGradients(alone, subject.inputs);
        const packed = everything(subject, { ...flags, statesAt });
        const found = valueAndGradients(packed, subject.inputs);
        expectClose(found.value, expected.value, 1e-12);
        expectClose(joined(found.gradients), joined(expected.gradients), 1e-12);
        if (length < 30) return;
        const compiled = compiledValueAndGradients(packed, subject.inputs);
        expectClose(compiled.value, expected.value, 1e-5);
        expectClose(joined(compiled.gradients), joined(expected.gradients), 1e-5);
      }),
      { numRuns: runs(15) },
    );
  });

  it('has the gradients of finite differences', () => {
    fc.assert(
      fc.property(fc.gen(), fc.integer({ min: 0, max: 5 }), (g, length) => {
        const subject = make(g, length);
        const { shape } = subject.inputs[0];
        checkGradients(everything(subject, drawFlags(g, shape)), subject.inputs);
      }),
      { numRuns: 4 },
    );
  });

  it('is refused in another shape', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const { inputs, run } = make(g, 2);
        const [initialState] = inputs.slice(-2);
        expect(() => run(inputs, { resetState: initialState })).toThrow(/: resetState is f64\[/);
      }),
      { numRuns: 1 },
    );
  });
});

const sizes = { hiddenSize: 8, stateSize: 3, convSize: 3, learnableInitStates: true };
const ofMamba3 = {
  hiddenSize: 8, stateSize: 4, headDim: 4, numGroups: 2, chunkSize: 3, learnableInitStates: true,
};
const blocks: Readonly<Record<string, () => {
  block: Mixer;
  initStates: Parameter | undefined;
}>> = {
  MambaBlock: () => {
    const block = new MambaBlock(sizes).to('f64');
    return { block, initStates: block.ssm.initStates };
  },
  Mamba2Block: () => {
    const block = new Mamba2Block({ ...sizes, headDim: 4, numGroups: 2, dHasHeadDim: true });
    return { block: block.to('f64'), initStates: block.initStates };
  },
  Mamba3Block: () => {
    const block = new Mamba3Block(ofMamba3);
    return { block: block.to('f64'), initStates: block.initStates };
  },
  'Mamba3Block of rank 2': () => {
    const block = new Mamba3Block({ ...ofMamba3, mimoRank: 2, ropeFraction: 1 });
    return { block: block.to('f64'), initStates: block.initStates };
  },
};

describe.each(Object.entries(blocks))('learned states of %s', (_name, make) => {
  const { block, initStates } = make();
  if (!initStates) throw new Error('it has learned states');
  it('begin as zeros, and have no weight decay', () => {
    expect(initStates.data.every((x) => x === 0)).toBe(true);
    expect(initStates.noWeightDecay).toBe(true);
    expect(block.namedParameters().some(([, parameter]) => parameter === initStates)).toBe(true);
  });

  it('are those of every document, alone, packed, in pieces, and step by step', () => {
    fc.assert(
      fc.property(fc.gen(), fc.integer({ min: 1, max: 12 }), (g, length) => {
        initStates.assign(drawTensor(g, initStates.shape));
        const x = drawTensor(g, [2, length, 8]);
        const { lengths, flags } = drawDocuments(g, [2, length]);
        let start = 0;
        const alone =
          lengths.map((count) => block.forward(x.narrow(1, (start += count) - count, count)));
        expectClose(block.forward(x, flags), concat(alone, 1), 1e-12);

        const whole = block.forward(x);
        const cut = drawInteger(g, 0, length);
        const first = block.scan(x.narrow(1, 0, cut));
        const rest = block.scan(x.narrow(1, cut, length - cut), { state: first.state });
        expectClose(concat([first.y, rest.y], 1), whole, 1e-12);
        let state = block.initialState(2);
        x.unbind(1).forEach((frame, t) => {
          const after = block.step(frame, state);
          expectClose(after.y, whole.narrow(1, t, 1).squeeze(1), 1e-12);
          state = after.state;
        });
      }),
      { numRuns: runs(10) },
    );
  });

  it('are learned: from a state that is given there is no gradient, else there is one', () => {
    const x = drawn(8);
    const loss = block.forward(x).square().sum();
    const [gradient] = grad(loss, [initStates]);
    expect(gradient.shape).toEqual(initStates.shape);
    expect(gradient.data.every((value) => value !== 0)).toBe(true);
    const { state } = block.scan(x);
    const given =
      Object.fromEntries(Object.entries(state).map(([key, own]) => [key, own.detach()]));
    const y = block.scan(x, { state: given as typeof state }).y.sum();
    const [none] = grad(y, [initStates], { allowUnused: true });
    expect(none === undefined || none.data.every((value) => value === 0)).toBe(true);
  });
});

const drawn = (width: number): Tensor =>
  tensor(Float64Array.from({ length: 6 * width }, (_, i) => Math.sin(1 + 2.7 * i)), {
    shape: [2, 3, width],
  });

describe('MambaLM with states that are learned', () => {
  const models: readonly MambaLMOptions[] = [
    { vocabSize: 11, hiddenSize: 8, numLayers: 2, stateSize: 3, learnableInitStates: true },
    {
      vocabSize: 11, hiddenSize: 8, numLayers: 2, layer: 'mamba2', stateSize: 3, headDim: 4,
      learnableInitStates: true, dHasHeadDim: true,
    },
  ];

  it.each(models)('has them in its count and in checkpoints, $layer', (options) => {
    manualSeed(1);
    const model = new MambaLM(options);
    const learned = model.namedParameters().filter(([path]) => path.endsWith('initStates'));
    expect(learned).toHaveLength(2);
    for (const [, states] of learned) states.assign(states.add(0.5));
    const without = { ...options, learnableInitStates: false };
    expect(MambaLM.paramCount(options)).toBe(MambaLM.paramCount(without) + 2 * 16 * 3);

    const { config, tensors } = saveLanguageModel(model);
    expect(tensors.get('backbone.layers.1.mixer.init_states')?.shape)
      .toEqual(options.layer === 'mamba2' ? [4, 4, 3] : [16, 3]);
    const { ssm_cfg: inner } = JSON.parse(config) as { ssm_cfg: Record<string, unknown> };
    expect(inner).toMatchObject({
      layer: options.layer === 'mamba2' ? 'Mamba2' : 'Mamba1', learnable_init_states: true,
      ...(options.dHasHeadDim && { D_has_hdim: true }),
    });
    expect(optionsOfConfig(config)).toMatchObject(options);
    const loaded = loadLanguageModel(config, tensors);
    const tokens = tensor([[1, 5, 2, 7]], { dtype: 'i32' });
    expectSame(loaded.forward(tokens), model.forward(tokens));
    // prefill begins in the learned states as well
    expectClose(model.prefill(tokens).y, model.forward(tokens).narrow(1, 3, 1).squeeze(1), 1e-5);
  });

  it('has them with blocks of Mamba-3, in its count and in checkpoints', () => {
    const options: MambaLMOptions = {
      vocabSize: 11, hiddenSize: 8, numLayers: 2, layer: 'mamba3', stateSize: 4, headDim: 4,
      learnableInitStates: true,
    };
    manualSeed(1);
    const model = new MambaLM(options);
    const learned = model.namedParameters().filter(([path]) => path.endsWith('initStates'));
    for (const [, states] of learned) states.assign(states.add(0.5));
    const without = { ...options, learnableInitStates: false };
    expect(MambaLM.paramCount(options)).toBe(MambaLM.paramCount(without) + 2 * 16 * 4);
    const { config, tensors } = saveLanguageModel(model);
    expect(tensors.get('backbone.layers.1.mixer.init_states')?.shape).toEqual([4, 4, 4]);
    expect(optionsOfConfig(config)).toMatchObject(options);
    const tokens = tensor([[1, 5, 2, 7]], { dtype: 'i32' });
    expectSame(loadLanguageModel(config, tensors).forward(tokens), model.forward(tokens));
    expect(saveLanguageModel(new MambaLM(without)).config).not.toContain('learnable_init_states');
  });

  it('writes no key of them if it has none', () => {
    const { config } = saveLanguageModel(new MambaLM({ ...models[1], learnableInitStates: false }));
    expect(config).toContain('D_has_hdim');
    expect(config).not.toContain('learnable_init_states');
  });
});

describe('D for each channel of a head', () => {
  it('is as D for each head where that is repeated, and learned', () => {
    fc.assert(
      fc.property(fc.gen(), fc.integer({ min: 0, max: 9 }), (g, length) => {
        const common = { hiddenSize: 8, headDim: 4, stateSize: 3 };
        const [one, many] = [false, true].map((dHasHeadDim) =>
          new Mamba2Block({ ...common, dHasHeadDim }).to('f64'));
        const D = drawTensor(g, one.D.shape);
        const state = one.stateDict();
        many.loadStateDict(new Map([...state, ['D', D.repeatInterleave(4, 0)]]));
        one.D.assign(D);
        const x = drawTensor(g, [2, length, 8]);
        expectClose(many.forward(x), one.forward(x), 1e-12);
        const [ofOne, ofMany] = [one, many].map((block) =>
          grad(block.forward(x).square().sum(), [block.D])[0]);
        expectClose(ofMany.reshape([4, 4]).sum(-1), ofOne, 1e-12);
      }),
      { numRuns: 5 },
    );
  });

  it('leaves no single matrix for the channels of a head', () => {
    const block = new Mamba2Block({ hiddenSize: 8, headDim: 4, stateSize: 3, dHasHeadDim: true });
    const { layers: [layer] } = observe(block, drawn(8).cast('f32'));
    expect(layer.influence().shape).toEqual([2, 4, 3, 3]);
    expect(() => layer.influence({ skip: true })).toThrow('skip is true, but D is f32[4, 4]');
  });

  it('is no option of a Mamba layer', () => {
    expect(() => new MambaLM({ vocabSize: 3, hiddenSize: 4, dHasHeadDim: true })).toThrow(
      "dHasHeadDim is an option of blocks of layer 'mamba2'",
    );
    expect(new SelectiveSSM({ channels: 2 }).initStates).toBeUndefined();
  });
});
