/** A solution of exercises/chunks.ts. */

/** A chunk that was scanned by itself. Both lists have a number for each step. */
export interface Chunk {
  /** The states, if the state before the chunk is 0. */
  readonly states: readonly number[];
  /** The product of the factors a from the first step of the chunk up to this one. */
  readonly decays: readonly number[];
}

/** Scans a chunk by itself. */
export function scanChunk(a: readonly number[], b: readonly number[]): Chunk {
  const states: number[] = [];
  const decays: number[] = [];
  for (let t = 0; t < a.length; t++) {
    states.push(a[t] * (states[t - 1] ?? 0) + b[t]);
    decays.push(a[t] * (decays[t - 1] ?? 1));
  }
  return { states, decays };
}

/** The states of the whole sequence. */
export function joinChunks(chunks: readonly Chunk[]): number[] {
  const joined: number[] = [];
  for (const { states, decays } of chunks) {
    const carry = joined.at(-1) ?? 0;
    joined.push(...states.map((state, t) => state + decays[t] * carry));
  }
  return joined;
}
