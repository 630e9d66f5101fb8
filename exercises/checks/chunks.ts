/** The check of exercises/chunks.ts. */
import fc from 'fast-check';
import type * as solution from '../solutions/chunks.ts';
import type { Chunk } from '../solutions/chunks.ts';
import { type Exercise, property } from './check.ts';
import { nonZero, numbers } from './draw.ts';

type Module = typeof solution;

/** A sequence, a and b of each step. */
interface Sequence {
  readonly a: readonly number[];
  readonly b: readonly number[];
}

const sequences = (maxLength: number, each = numbers): fc.Arbitrary<Sequence> =>
  fc.array(fc.tuple(each, numbers), { maxLength }).map((steps) => ({
    a: steps.map(([a]) => a), b: steps.map(([, b]) => b),
  }));

function statesOf({ a, b }: Sequence, carry = 0): number[] {
  const states: number[] = [];
  for (const [t, factor] of a.entries()) states.push(factor * (states.at(-1) ?? carry) + b[t]);
  return states;
}

function decaysOf({ a }: Sequence): number[] {
  return a.map((_, t) => a.slice(0, t + 1).reduce((product, each) => product * each, 1));
}

const chunkOf = (sequence: Sequence): Chunk => ({
  states: statesOf(sequence), decays: decaysOf(sequence),
});

const oneStep = (a: number, b: number): Chunk => chunkOf({ a: [a], b: [b] });

/** A sequence in pieces of this length, of which the last may be shorter. */
function piecesOf({ a, b }: Sequence, size: number): Sequence[] {
  return Array.from({ length: Math.ceil(a.length / size) }, (_, i) => ({
    a: a.slice(i * size, (i + 1) * size), b: b.slice(i * size, (i + 1) * size),
  }));
}

/** Sequences that are cut in pieces. */
const cut = (maxLength: number, each = numbers) =>
  fc.record({ sequence: sequences(maxLength, each), size: fc.integer({ min: 1, max: 4 }) });

type Cut = typeof cut extends (...given: never) => fc.Arbitrary<infer Each> ? Each : never;

/** The exercise on a scan in chunks. */
export const chunks: Exercise<Module> = {
  name: 'chunks',
  title: 'A chunked scan',
  exports: ['scanChunk', 'joinChunks'],
  properties: [
    property<Module, Sequence>({
      says: 'scanChunk gives the states of the chunk, begun from 0',
      because: 'The first state is b[0], as a[0] · 0 + b[0]; each one after it is a[t] times the ' +
        'one before, plus b[t].',
      inputs: sequences(4),
      expected: (sequence) => statesOf(sequence),
      given: ({ scanChunk }, { a, b }) => scanChunk(a, b).states,
    }),
    property<Module, Sequence>({
      says: 'scanChunk gives the product of all factors from the start up to each step',
      because: 'decays[0] is a[0], decays[1] is a[0] · a[1], and so on: step t itself is included.',
      inputs: sequences(4),
      expected: decaysOf,
      given: ({ scanChunk }, { a, b }) => scanChunk(a, b).decays,
    }),
    property<Module, { readonly chunk: Chunk }>({
      says: 'joinChunks leaves a single chunk as it is',
      because: 'The state before the first chunk is 0, so there is nothing to add.',
      inputs: sequences(4).map((sequence) => ({ chunk: chunkOf(sequence) })),
      expected: ({ chunk }) => chunk.states,
      given: ({ joinChunks }, { chunk }) => joinChunks([chunk]),
    }),
    property<Module, { readonly first: Chunk; readonly second: Chunk }>({
      says: 'the last state of a chunk decays into the chunk after it',
      because: 'To step t of the second chunk comes its decays[t] times the carry.',
      inputs: fc.tuple(nonZero, sequences(3, nonZero).filter(({ a }) => a.length > 0))
        .map(([b, second]) => ({ first: oneStep(1, b), second: chunkOf(second) })),
      expected: ({ first, second }) => [
        ...first.states, ...second.states.map((h, t) => h + second.decays[t] * first.states[0]),
      ],
      given: ({ joinChunks }, { first, second }) => joinChunks([first, second]),
    }),
    property<Module, { readonly chunks: readonly Chunk[] }>({
      says: 'the carry of a third chunk is the joined state before it, not the chunk’s own',
      because: 'The state at the end of the second chunk contains what came from the first.',
      inputs: fc.tuple(nonZero, nonZero, numbers).map(([b, a, other]) => ({
        chunks: [oneStep(1, b), oneStep(a, other), oneStep(1, 0)],
      })),
      expected: ({ chunks: all }) => {
        const [[b], [other]] = [all[0].states, all[1].states];
        const second = other + all[1].decays[0] * b;
        return [b, second, second];
      },
      given: ({ joinChunks }, { chunks: all }) => joinChunks(all),
    }),
    property<Module, Cut>({
      says: 'cut into chunks of any size, a sequence has the states of a loop',
      because: 'The last chunk may be shorter than the others, and there may be none at all.',
      inputs: cut(9),
      show: ({ sequence, size }) => ({ ...sequence, 'chunk size': size }),
      expected: ({ sequence }) => statesOf(sequence),
      given: ({ scanChunk, joinChunks }, { sequence, size }) => {
        // From the last chunk to the first: none may depend on one before.
        const scanned = piecesOf(sequence, size).reverse().map(({ a, b }) => scanChunk(a, b));
        return joinChunks(scanned.reverse());
      },
    }),
    property<Module, { readonly chunks: readonly Chunk[] }>({
      says: 'an empty chunk changes nothing',
      because: 'A chunk without steps has no last state; the carry goes past it.',
      inputs: nonZero.map((b) => ({
        chunks: [oneStep(1, b), chunkOf({ a: [], b: [] }), oneStep(1, 0)],
      })),
      expected: ({ chunks: all }) => [all[0].states[0], all[0].states[0]],
      given: ({ joinChunks }, { chunks: all }) => joinChunks(all),
    }),
  ],
  hints: [
    'Write scanChunk first: one loop over t with two running numbers, the state (from 0) and the ' +
      'product of the factors (from 1).',
    'In joinChunks keep a variable `carry`, 0 at first: the state after the last step so far.',
    'The true state at step t of a chunk is states[t] + decays[t] · carry. After the chunk, ' +
      'its last true state is the next carry.',
    '`for (const { states, decays } of chunks)`: compute the joined states of this chunk with ' +
      'the carry, push them, and then set the carry to the last number pushed, if there is one.',
  ],
};
