/** Free parts of a memory, in order; neighbours are one. All sizes are whole cache lines. */

/** Places start at multiples of this many bytes, a cache line. */
export const ALIGNMENT = 64;

/** A number of bytes, rounded up to whole cache lines of 64. */
export function roundUp(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

/**
 * A free list: `take` gives the start of the smallest free range that fits (best fit), and `free`
 * gives it back.
 */
export class Gaps {
  #ranges: { start: number; end: number }[];
  /** The largest end of what was ever taken. */
  end = 0;

  /** Free at first are the bytes from `start` (0 if left out) up to `end` (no end). */
  constructor(start: number = 0, end: number = Infinity) {
    this.#ranges = [{ start, end }];
  }

  /** Takes the start of the smallest gap that has room, or gives undefined; nothing is at 0. */
  take(bytes: number): number | undefined {
    const size = roundUp(bytes);
    if (size === 0) return 0;
    const fitting = this.#ranges.filter(({ start, end }) => end - start >= size);
    const gap = fitting.sort((a, b) => a.end - a.start - (b.end - b.start))[0];
    if (gap === undefined) return undefined;
    const { start } = gap;
    gap.start += size;
    this.end = Math.max(this.end, gap.start);
    return start;
  }

  /** How many bytes are free in all. */
  get bytes(): number {
    return this.#ranges.reduce((sum, { start, end }) => sum + end - start, 0);
  }

  /** How many bytes are free right before `end`. */
  freeBefore(end: number): number {
    const last = this.#ranges.find((range) => range.end === end);
    return last ? end - last.start : 0;
  }

  /**
   * Gives back what `take` gave: the same start, and as many bytes as were asked for. Free ranges
   * that touch become one.
   */
  free(start: number, bytes: number): void {
    const ranges = [...this.#ranges, { start, end: start + roundUp(bytes) }];
    this.#ranges = [];
    for (const range of ranges.sort((a, b) => a.start - b.start)) {
      const before = this.#ranges.at(-1);
      if (before?.end === range.start) before.end = range.end;
      else if (range.end > range.start) this.#ranges.push(range);
    }
  }
}
