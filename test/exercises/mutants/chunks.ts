/** Mistakes in exercises/chunks.ts. */
import * as chunks from '../../../exercises/solutions/chunks.ts';
import type { Mutant } from './mutant.ts';

type Chunk = chunks.Chunk;

/** The right join, with another carry into each chunk. */
const joining = (
  carryOf: (joined: readonly number[], before: Chunk | undefined) => number,
  add = (state: number, decays: readonly number[], t: number, carry: number) =>
    state + decays[t] * carry,
): object => ({
  ...chunks,
  joinChunks: (all: readonly Chunk[]) => {
    const joined: number[] = [];
    for (const [i, { states, decays }] of all.entries()) {
      const carry = carryOf(joined, all[i - 1]);
      joined.push(...states.map((state, t) => add(state, decays, t, carry)));
    }
    return joined;
  },
});

const lastOf = (joined: readonly number[]): number => joined.at(-1) ?? 0;

/** The mistakes. */
export const mutants: readonly Mutant[] = [
  ['states do not decay', {
    ...chunks, scanChunk: (a: readonly number[], b: readonly number[]) => ({
      ...chunks.scanChunk(a, b), states: chunks.scanChunk(a.map(() => 1), b).states,
    }),
  }, /states of the chunk/, /a\[t\] times the one before/],
  ['decays are the factors themselves', {
    ...chunks, scanChunk: (a: readonly number[], b: readonly number[]) => (
      { ...chunks.scanChunk(a, b), decays: a }
    ),
  }, /product of all factors/, /decays\[1\] is a\[0\] · a\[1\]/],
  ['decays are one step late', {
    ...chunks, scanChunk: (a: readonly number[], b: readonly number[]) => {
      const chunk = chunks.scanChunk(a, b);
      return { ...chunk, decays: [1, ...chunk.decays.slice(0, -1)].slice(0, a.length) };
    },
  }, /product of all factors/, /step t itself is included/],
  ['the first chunk is begun from 1', joining((joined) => joined.at(-1) ?? 1),
    /a single chunk/, /before the first chunk is 0/],
  ['chunks are put side by side', joining(() => 0),
    /decays into the chunk after it/, /times the carry/],
  ['the carry does not decay', joining(lastOf, (state, _decays, _t, carry) => state + carry),
    /decays into the chunk after it/, /decays\[t\] times the carry/],
  ['every step gets the decay of the whole chunk',
    joining(lastOf, (state, decays, _t, carry) => state + decays[decays.length - 1] * carry),
    /decays into the chunk after it/, /decays\[t\] times the carry/],
  ['the carry is the last state of the chunk by itself',
    joining((_joined, before) => before?.states.at(-1) ?? 0), /third chunk/, /contains what came/],
  ['an empty chunk loses the carry',
    joining((joined, before) => (before?.states.length === 0 ? 0 : lastOf(joined))),
    /empty chunk/, /goes past it/],
];
