/**
 * A chunked scan
 *
 * To compute the states h[t] = a[t] · h[t−1] + b[t] on several cores, we cut the sequence into
 * chunks. Every chunk is scanned by itself, as if the state before it were 0, so all of them can
 * run at the same time. What is missing is the state with which the chunk really begins, its
 * carry. It decays on its way through the chunk:
 *
 *     h[t]  =  state of the chunk by itself  +  (product of a from the chunk's start to t) · carry
 *
 * Write both parts: `scanChunk` for one chunk, which knows nothing of the others, and `joinChunks`,
 * which goes through the chunks in order and gives the states of the whole sequence. The state
 * before the first chunk is 0. Chunks may differ in length.
 *
 * Check it with `npm run exercise chunks`; add `-- --hint` for a hint.
 */

/** A chunk that was scanned by itself. Both lists have a number for each step. */
export interface Chunk {
  /** The states, if the state before the chunk is 0. */
  readonly states: readonly number[];
  /** The product of the factors a from the first step of the chunk up to this one. */
  readonly decays: readonly number[];
}

/** Scans a chunk by itself. */
export function scanChunk(a: readonly number[], b: readonly number[]): Chunk {
  throw new Error('scanChunk is not written yet');
}

/** The states of the whole sequence. */
export function joinChunks(chunks: readonly Chunk[]): number[] {
  throw new Error('joinChunks is not written yet');
}
