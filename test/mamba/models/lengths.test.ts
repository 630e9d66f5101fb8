/**
 * Sequences of any length in `predict`: they are padded to one of few lengths, for which there is a
 * program. The result is that of `forward`, whatever the model, its pooling and the flags.
 */
import {
  BiMamba, type BiMambaOptions, Mamba, Mamba2, Mamba3, MambaLM, type Pool, type SequenceFlags,
} from '@mambagrad/mamba';
import { compileInEval, Embedding } from '@mambagrad/nn';
import {
  arange, compile, full, Generator, noGrad, stack, type Tensor, uniform,
} from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { expectClose, expectSame } from '../../support/compare.ts';
import { type Draw, drawIndices, drawInteger, drawTensor } from '../../support/draw.ts';
import { drawFlags } from '../../support/sequences.ts';
import { runs } from '../../support/soak.ts';

const WIDTH = 4;
const TOKENS = 5;
const WINDOW = 10;

type Model = Mamba | BiMamba | MambaLM;

const sizes = { embedDim: WIDTH, hiddenSize: WIDTH, stateSize: 4, windowSize: WINDOW };
const heads = { headDim: 2, chunkSize: 3 };
const language = { vocabSize: TOKENS, hiddenSize: WIDTH, stateSize: 4, numLayers: 1 };

type Sizes = Omit<BiMambaOptions, 'layer'>;
const kinds: readonly (readonly [string, (options: Sizes) => Model])[] = [
  ['Mamba', (options) => new Mamba({ ...options, embedDim: 3 })],
  ['Mamba without an embedding', (options) => new Mamba(options)],
  ['Mamba of learned states', (options) => new Mamba({ ...options, learnableInitStates: true })],
  ['Mamba2', (options) => new Mamba2({ ...options, ...heads })],
  ['Mamba3', (options) => new Mamba3({ ...options, ...heads })],
  ['BiMamba', (options) => new BiMamba({ ...options, dropout: 0 })],
  ['BiMamba of blocks', (options) =>
    new BiMamba({ ...options, layer: 'mamba', combine: 'concat' })],
  ['BiMamba of Mamba-3', (options) => new BiMamba({ ...options, ...heads, layer: 'mamba3' })],
  ['MambaLM', () => new MambaLM(language)],
  ['MambaLM of Mamba-2', () => new MambaLM({ ...language, ...heads, layer: 'mamba2' })],
];

const widthOf = (model: Model) => model.embedding?.weight.shape[1] ?? WIDTH;

function drawInput(g: Draw, model: Model, batch: number, length: number): Tensor {
  if (model instanceof MambaLM) return drawIndices(g, [batch, length], TOKENS);
  return drawTensor(g, [batch, length, widthOf(model)]);
}

/** An input in float32. */
function input(model: Model, batch: number, length: number): Tensor {
  const width = model.embedding instanceof Embedding ? [] : [widthOf(model)];
  const generator = new Generator(length);
  const values = uniform([batch, length, ...width], 0, TOKENS, { generator });
  return model instanceof MambaLM ? values.cast('i32') : values;
}

/** What `forward` gives in eval. */
function expected(model: Model, x: Tensor, flags: SequenceFlags): Tensor {
  return noGrad(() => model.inEval(() => model.forward(x, flags)));
}

/** A result whose steps are set to 0 at padding, where they mean nothing. */
function cleared(y: Tensor, { mask }: SequenceFlags): Tensor {
  return mask && y.ndim > 2 ? mask.unsqueeze(-1).where(y, 0) : y;
}

/** The lengths of the sequences for which a program was made, one for each program. */
function tracedLengths(model: Model): readonly number[] {
  const { norm } = model.layers[0];
  const original = norm.forward.bind(norm);
  const lengths: number[] = [];
  vi.spyOn(norm, 'forward').mockImplementation((x) => {
    lengths.push(x.shape[1]);
    return original(x);
  });
  return lengths;
}

const pools = ['last', 'mean', 'ends', 'none'] as const satisfies readonly Pool[];

describe.each(kinds)('%s', (_name, make) => {
  it('predicts sequences of any length as forward does, with flags and without', () => {
    fc.assert(
      fc.property(fc.gen(), fc.constantFrom(...pools), (g, pool) => {
        const numLayers = drawInteger(g, 0, 2);
        const model = make({ ...sizes, pool, numLayers }).to('f64');
        const length = drawInteger(g, pool === 'none' ? 0 : 1, 20);
        const x = drawInput(g, model, drawInteger(g, 1, 3), length);
        const flags = g(fc.boolean) ? drawFlags(g, x.shape) : {};
        const [found, wanted] = [model.predict(x, flags), expected(model, x, flags)];
        expectClose(cleared(found, flags), cleared(wanted, flags), 1e-12);
        expectSame(model.predict(x, flags), found);
      }),
      { numRuns: runs(20) },
    );
  });

  it('gives in float32 what a program of each length gives', () => {
    for (const [i, pool] of pools.entries()) {
      const model = make({ ...sizes, pool, numLayers: 1 });
      const x = input(model, 2, [7, 16, 13, 67][i]);
      const exact = compileInEval(model, (x: Tensor) => model.forward(x));
      expectClose(model.predict(x), exact(x), 2e-6, 1e-6);
    }
  });

  it('needs one program for all lengths up to the next of few', () => {
    const model = make({ ...sizes, numLayers: 1 });
    const lengths = tracedLengths(model);
    for (const length of [9, 12, 15, 11, 13, 130, 14, 129, 143]) {
      model.predict(input(model, 1, length));
    }
    expect(lengths).toEqual([16, 144]);
  });
});

describe('lengths', () => {
  it('are rounded up to a multiple of 8, then to 8 lengths for each power of two', () => {
    const model = new Mamba({ ...sizes, hiddenSize: 2, numLayers: 1, windowSize: 1000 });
    const lengths = tracedLengths(model);
    for (let length = 1; length <= 264; length++) {
      const before = lengths.length;
      model.predict(input(model, 1, length));
      // A program is made for the first length that needs it, which needs the most padding.
      const [made = length] = lengths.slice(before);
      expect(made - length).toBeGreaterThanOrEqual(0);
      expect(made - length).toBeLessThan(Math.max(8, length / 8));
    }
    expect(lengths).toHaveLength(8 + 2 * 8 + 1);
  });

  it('have their own program if they are windowSize, or a mask would do nothing', () => {
    const model = new BiMamba({ ...sizes, numLayers: 1 });
    const forward = vi.spyOn(model, 'forward');
    for (const length of [WINDOW, 16, 12, 14]) model.predict(input(model, 1, length));
    const given = forward.mock.calls.map(([x, flags]) => [x.shape[1], flags?.mask?.shape]);
    expect(given).toEqual([[WINDOW, undefined], [16, undefined], [16, [1, 16]]]);
  });

  it('give the same bits whatever was predicted before', () => {
    const [model, other] = [1, 1].map((seed) =>
      new Mamba({ ...sizes, generator: new Generator(seed) }));
    const inputs = [13, 16, 9, WINDOW, 70].map((length) => input(model, 2, length));
    const found = inputs.map((x) => model.predict(x));
    inputs.toReversed().forEach((x, i) => expectSame(other.predict(x), found.toReversed()[i]));
  });

  it('are what they are in a class with another forward, and in a trace', () => {
    class Ends extends Mamba {
      override forward(x: Tensor): Tensor {
        const y = this.forwardSequence(x);
        return y.narrow(1, x.shape[1] - 2, 2).mean(1);
      }
    }
    const ends = new Ends(sizes);
    const x = input(ends, 2, 13);
    expectClose(ends.predict(x), expected(ends, x, {}), 1e-5);
    class Last extends Mamba {
      static override readonly takesPadding = true;
    }
    const last = new Last(sizes);
    const ofLast = tracedLengths(last);
    last.predict(x);
    expect(ofLast).toEqual([16]);
    const model = new Mamba(sizes);
    const lengths = tracedLengths(model);
    expectClose(compile((input: Tensor) => model.predict(input))(x), expected(model, x, {}), 1e-5);
    expect(lengths[0]).toBe(13);
  });

  it('of prompts need two programs, and a step one, with the logits that forward gives', () => {
    const model = new MambaLM(language);
    const lengths = tracedLengths(model);
    const next = input(model, 2, 1);
    const found = [32, 70, 1, 31, 33].map((length) => {
      const tokens = input(model, 2, length);
      const { y, state } = model.prefill(tokens);
      return { text: tokens.concat([next], 1), logits: [y, model.step(next.squeeze(1), state).y] };
    });
    expect(lengths).toEqual([32, 1, 32]);
    for (const { text, logits } of found) {
      const wanted = expected(model, text, {}).narrow(1, text.shape[1] - 2, 2);
      expectClose(stack(logits, 1), wanted, 1e-6, 1e-6);
    }
  });

  it('are named in errors as they were given', () => {
    const model = new Mamba(sizes);
    const x = input(model, 1, 9);
    expect(() => model.predict(x.narrow(2, 0, 3)))
      .toThrow(`Mamba.predict: x is f32[1, 9, 3], expected f32[batch, length, ${WIDTH}]`);
    expect(() => model.predict(x.squeeze(0)))
      .toThrow(`Mamba.predict: x is f32[9, ${WIDTH}], expected f32[batch, length, ${WIDTH}]`);
    expect(() => model.predict(x.cast('f64'))).toThrow(`Mamba.predict: x is f64[1, 9, ${WIDTH}]`);
    expect(() => model.predict(x, { mask: arange(0, 16, 1, { dtype: 'i32' }).unsqueeze(0) }))
      .toThrow('Mamba.predict: mask is i32[1, 16], expected i32[1, 9]');
    expect(() => model.predict(x.narrow(1, 0, 0))).toThrow('x has no steps');
    const writer = new MambaLM(language);
    const tokens = full([1, 9], TOKENS, { dtype: 'i32' });
    expect(() => writer.predict(tokens)).toThrow(`MambaLM.predict: token [0, 0] is ${TOKENS}`);
  });

  it('leave gradients alone', () => {
    const model = new Mamba(sizes);
    const x = input(model, 1, 9);
    x.requiresGrad = true;
    const y = model.predict(x);
    expect(y.requiresGrad).toBe(false);
    model.forward(x).sum().backward();
    const before = model.parameters().map(({ grad }) => grad);
    model.predict(x);
    expect(model.parameters().map(({ grad }) => grad)).toEqual(before);
    expect(x.grad?.shape).toEqual(x.shape);
  });
});
