/** Stands in for how work is cut into rounds, to cut small work, too, as small as can be. */
type Rounds = typeof import('../../packages/kernel/src/parallel/chunks.ts');

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
export function finely({ cut }: Rounds): Rounds['cut'] {
  // Work of 0 is not to be shared.
  return (extents, work, least, beside) =>
    isFine && work > 0
      ? cut(extents, Math.max(work, 1) * 2 ** 16, least)
      : cut(extents, work, least, beside);
}
