/**
 * Allocation inside a block of memory: a list of the free ranges, from which each request takes the
 * best fit. All sizes are whole cache lines.
 */

/** The size of a cache line in bytes, which all addresses that are allocated are multiples of. */
export const CACHE_LINE = 64;

/** A number of bytes rounded up to whole cache lines. */
export function alignUp(bytes: number): number {
  return Math.ceil(bytes / CACHE_LINE) * CACHE_LINE;
}

/** The free ranges of a block of memory, in order; ranges that touch are merged. */
export class FreeList {
  #ranges: { start: number; end: number }[];
  /** The largest end of any range that was ever allocated. */
  end = 0;

  /** At first the bytes from `start` (default 0) to `end` (default Infinity) are free. */
  constructor(start: number = 0, end: number = Infinity) {
    this.#ranges = [{ start, end }];
  }

  /**
   * Allocates from the smallest free range that fits, and gives the start; undefined if none does.
   * 0 bytes are at 0.
   */
  allocate(bytes: number): number | undefined {
    const size = alignUp(bytes);
    if (size === 0) return 0;
    const fitting = this.#ranges.filter(({ start, end }) => end - start >= size);
    const best = fitting.sort((a, b) => a.end - a.start - (b.end - b.start))[0];
    if (best === undefined) return undefined;
    const { start } = best;
    best.start += size;
    this.end = Math.max(this.end, best.start);
    return start;
  }

  /** The number of free bytes. */
  get bytes(): number {
    return this.#ranges.reduce((sum, { start, end }) => sum + end - start, 0);
  }

  /** The number of free bytes right before the address `end`. */
  freeBefore(end: number): number {
    const last = this.#ranges.find((range) => range.end === end);
    return last ? end - last.start : 0;
  }

  /** Frees what `allocate` gave: the same start, and the number of bytes that were asked for. */
  free(start: number, bytes: number): void {
    const ranges = [...this.#ranges, { start, end: start + alignUp(bytes) }];
    this.#ranges = [];
    for (const range of ranges.sort((a, b) => a.start - b.start)) {
      const before = this.#ranges.at(-1);
      if (before?.end === range.start) before.end = range.end;
      else if (range.end > range.start) this.#ranges.push(range);
    }
  }
}
