/** Stands in for how work is cut into chunks, to cut small work, too, as small as can be. */
type Chunks = typeof import('../../packages/kernel/src/parallel/chunks.ts');

let isFine = false;

/** Compiles what `body` compiles for the first time so that all that can be cut is cut. */
export function inFineRounds<T>(body: () => T): T {
  isFine = true;
  try {
    return body();
  } finally {
    isFine = false;
  }
}

/** The function in place of the given one. */
export function finely({ partition }: Chunks): Chunks['partition'] {
  // Work of 0 is not to be shared.
  return (extents, work, options) =>
    isFine && work > 0
      ? partition(extents, Math.max(work, 1) * 2 ** 16, { multipleOf: options?.multipleOf })
      : partition(extents, work, options);
}
