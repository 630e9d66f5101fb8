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
  readonly #ranges: { start: number; end: number }[];
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
    const ranges = this.#ranges;
    let place = -1;
    let least = Infinity;
    ranges.forEach(({ start, end }, i) => {
      const isBetter = end - start >= size && (place < 0 || end - start < least);
      if (isBetter) [place, least] = [i, end - start];
    });
    if (place < 0) return undefined;
    const best = ranges[place];
    const { start } = best;
    best.start += size;
    if (best.start === best.end) ranges.splice(place, 1);
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
    const end = start + alignUp(bytes);
    if (end === start) return;
    const ranges = this.#ranges;
    const next = ranges.findIndex((range) => range.start > start);
    const place = next < 0 ? ranges.length : next;
    const touchesNext = next >= 0 && ranges[next].start === end;
    const freed = { start, end: touchesNext ? ranges[next].end : end };
    if (touchesNext) ranges.splice(next, 1);
    const before = ranges[place - 1];
    if (place > 0 && before.end === start) before.end = freed.end;
    else ranges.splice(place, 0, freed);
  }
}
