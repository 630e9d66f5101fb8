/**
 * What every recurrent module promises: pieces, steps, packed documents and padded rows give what
 * whole sequences give, in values and in gradients; causes come before effects; rows keep apart.
 */
import {
  DepthwiseConv1d, Mamba, Mamba2, Mamba2Block, Mamba3Block, MambaBlock, MambaLM,
  type Scanned, SelectiveSSM, type SequenceOptions,
} from '@mambagrad/mamba';
import { Module } from '@mambagrad/nn';
import { concat, Generator, Tensor, tensor } from '@mambagrad/tensor';
import fc from 'fast-check';
import { describe, it } from 'vitest';
import { expectClose, expectSame, unevenCotangent } from '../../support/compare.ts';
import { type Draw, drawIndices, drawInteger, drawTensor } from '../../support/draw.ts';
import { drawDocuments, drawFlags, drawPlaces, maskOf, take } from '../../support/sequences.ts';
import { runs, someOf } from '../../support/soak.ts';

const CHANNELS = 3;
const TOKENS = 5;

/** Any of the modules; its state is some tree of tensors. */
interface Reader extends Module {
  scan(x: Tensor, options?: SequenceOptions<never>): Scanned<unknown>;
  initialState(batch: number): unknown;
}

const generator = new Generator(1);
const block = { hiddenSize: CHANNELS, stateSize: 2, generator };
const sizes = { ...block, numLayers: 2 };
const parts = { headDim: 2, numGroups: 3, chunkSize: 3 };
const heads = { ...sizes, ...parts, hiddenSize: 6 };
const mimo = { headDim: 2, chunkSize: 3, stateSize: 4, mimoRank: 2, outputNorm: true };
const turning = { ...heads, stateSize: 4, numLayers: 1 };
const kernels = [1, 2, 4];
const readers: readonly (readonly [string, Reader])[] = [
  ...kernels.map((K) => [`DepthwiseConv1d ${K}`, new DepthwiseConv1d(CHANNELS, K)] as const),
  ['SelectiveSSM', new SelectiveSSM({ channels: CHANNELS, stateSize: 2, generator })],
  ['MambaBlock', new MambaBlock({ ...block, bias: true })],
  ['Mamba2Block', new Mamba2Block({ ...block, ...parts })],
  ['Mamba3Block', new Mamba3Block({ ...block, ...parts, stateSize: 5, ropeFraction: 1 })],
  ['Mamba3Block of rank 2', new Mamba3Block({ ...block, ...mimo })],
  ['Mamba', new Mamba({ ...sizes, embedDim: CHANNELS, hiddenSize: 4, convSize: 3 })],
  ['Mamba2', new Mamba2({ ...heads, embedDim: CHANNELS, normBeforeGate: true })],
  ['MambaLM', new MambaLM({ ...sizes, vocabSize: TOKENS, tieEmbeddings: false })],
  ['MambaLM of Mamba-2', new MambaLM({ ...heads, vocabSize: TOKENS, layer: 'mamba2' })],
  ['MambaLM of Mamba-3', new MambaLM({ ...turning, vocabSize: TOKENS, layer: 'mamba3' })],
];
for (const [, reader] of readers) {
  reader.to('f64');
  // Values at the start are so small that little would come of a mistake.
  for (const parameter of reader.parameters()) {
    const noise = drawNoise(parameter);
    parameter.assign(parameter.detach().add(noise));
  }
}

function drawNoise({ shape, numel }: Tensor): Tensor {
  const numbers = Array.from({ length: numel }, (_, i) => 0.4 * Math.sin(1 + 1.7 * i));
  return tensor(Float64Array.from(numbers), { shape });
}

function drawInput(g: Draw, reader: Reader, batch: number, length: number): Tensor {
  if (reader instanceof MambaLM) return drawIndices(g, [batch, length], TOKENS);
  return drawTensor(g, [batch, length, CHANNELS]);
}

/** A state that something was read to get to. */
function drawState(g: Draw, reader: Reader, batch: number): never {
  return reader.scan(drawInput(g, reader, batch, drawInteger(g, 0, 5))).state as never;
}

/** Every tensor of a result, one behind the other. */
function flat(tree: unknown): Tensor {
  if (tree instanceof Tensor) return tree.flatten();
  return concat(Object.values(Object(tree)).map(flat));
}

/** The values of what f makes, and the gradients of the parameters. */
function measure(reader: Reader, f: () => unknown) {
  const parameters = reader.parameters();
  for (const parameter of parameters) parameter.grad = undefined;
  const value = flat(f());
  if (value.requiresGrad) value.backward({ cotangent: unevenCotangent(value) });
  const gradients = parameters.map(({ grad, numel }) => {
    return grad?.flatten() ?? tensor(new Float64Array(numel));
  });
  return { value, gradients: concat(gradients) };
}

type Measured = ReturnType<typeof measure>;

function expectEqual(found: Measured, expected: Measured): void {
  expectClose(found.value, expected.value, 1e-12);
  expectClose(found.gradients, expected.gradients, 1e-11, 1e-12);
}

const rounds = { numRuns: runs(12) };

describe.each(someOf(readers))('%s', (_name, reader) => {
  it('can be cut anywhere, and read step by step', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const [batch, length] = [drawInteger(g, 1, 2), drawInteger(g, 1, 6)];
        const x = drawInput(g, reader, batch, length);
        const state = g(fc.boolean) ? drawState(g, reader, batch) : undefined;
        const flags = drawFlags(g, [batch, length]);
        const part = (from: number, count: number) => {
          const { reset, mask } = flags;
          return {
            reset: reset?.narrow(1, from, count),
            mask: mask?.narrow(1, from, count),
            x: x.narrow(1, from, count),
          };
        };
        const read = (...counts: readonly number[]) => measure(reader, () => {
          let now: unknown = state;
          let from = 0;
          const results = counts.map((count) => {
            const { x: piece, ...pieceFlags } = part((from += count) - count, count);
            const { y, state: next } = reader.scan(piece, { ...pieceFlags, state: now as never });
            now = next;
            // What is there at padding means nothing.
            return pieceFlags.mask ? pieceFlags.mask.unsqueeze(-1).where(y, 0) : y;
          });
          return [concat(results, 1), now];
        });
        const whole = read(length);
        for (let cut = 0; cut <= length; cut++) expectEqual(read(cut, length - cut), whole);
        expectEqual(read(...new Array<number>(length).fill(1)), whole);
      }),
      rounds,
    );
  });

  it('keeps packed documents apart', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const [batch, length] = [drawInteger(g, 1, 2), drawInteger(g, 1, 9)];
        const x = drawInput(g, reader, batch, length);
        const state = g(fc.boolean) ? drawState(g, reader, batch) : undefined;
        const { lengths, flags } = drawDocuments(g, [batch, length]);
        const packed = () => {
          const result = reader.scan(x, { ...flags, state: state as never });
          return [result.y, result.state];
        };
        const alone = () => {
          const parts = x.split(lengths, 1).map((document, i) => {
            return reader.scan(document, { state: (i === 0 ? state : undefined) as never });
          });
          return [concat(parts.map(({ y }) => y), 1), parts[parts.length - 1].state];
        };
        expectEqual(measure(reader, packed), measure(reader, alone));
      }),
      rounds,
    );
  });

  it('passes over padding, between documents too', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const [batch, length] = [drawInteger(g, 1, 2), drawInteger(g, 1, 8)];
        const x = drawInput(g, reader, batch, length);
        const state = g(fc.boolean) ? drawState(g, reader, batch) : undefined;
        const places = drawPlaces(g, [batch, length]);
        const mask = maskOf(places, length);
        // Documents begin at steps that count: elsewhere there would be nowhere to put the reset.
        const starts = drawIndices(g, [batch, length], 2).mul(mask);
        const reset = g(fc.boolean) ? starts : undefined;
        const padded = () => {
          const result = reader.scan(x, { mask, reset, state: state as never });
          return [take(result.y, places), result.state];
        };
        const alone = () => {
          const flags = { reset: reset && take(reset, places) };
          const result = reader.scan(take(x, places), { ...flags, state: state as never });
          return [result.y, result.state];
        };
        expectEqual(measure(reader, padded), measure(reader, alone));
      }),
      rounds,
    );
  });

  it('does not let the future change the past, nor rows each other', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const length = drawInteger(g, 1, 9);
        const [row, other] = [0, 1].map(() => drawInput(g, reader, 1, length));
        const alone = reader.scan(row).y;
        expectClose(reader.scan(row.concat([other])).y.narrow(0, 0, 1), alone, 1e-14);
        const t = drawInteger(g, 0, length);
        const changed = row.narrow(1, 0, t).concat([other.narrow(1, t, length - t)], 1);
        expectSame(reader.scan(changed).y.narrow(1, 0, t), alone.narrow(1, 0, t));
      }),
      rounds,
    );
  });

  it('begins with the state after nothing', () => {
    fc.assert(
      fc.property(fc.gen(), (g) => {
        const x = drawInput(g, reader, 2, drawInteger(g, 0, 5));
        const state = reader.initialState(2) as never;
        expectSame(flat(reader.scan(x, { state })), flat(reader.scan(x)));
        expectSame(flat(reader.scan(x.narrow(1, 0, 0)).state), flat(state));
      }),
      rounds,
    );
  });
});

