/** Threads that are waited for: as long as the processor is used somebody is at work. */
import { Watchdog } from '@mambagrad/wasm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

/** So many naps of 50 ms are an hour. */
const HOUR = 72_000;

/** After how many naps without progress it is over, if this is used of the processor in each. */
function napsFor(usedPerNap: (nap: number) => number, most = 2 * HOUR): number {
  let [used, nap] = [0, 0];
  const watchdog = new Watchdog(() => used);
  while (nap < most && !watchdog.hasExpired('loop 1')) used += usedPerNap(nap++);
  return nap;
}

describe('who is waited for', () => {
  it('is taken to live while the processor is used, for up to an hour', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), (used) => {
        expect(napsFor(() => used)).toBe(HOUR - 1);
      }),
      { numRuns: 3 },
    );
    // It need not be used all the time: others may have it.
    expect(napsFor((nap) => (nap % 90 === 0 ? 50 : 0))).toBe(HOUR - 1);
  });

  it('is taken to be dead after five seconds in which it is not used', () => {
    expect(napsFor(() => 0)).toBe(99);
    // To wait takes some of it.
    expect(napsFor(() => 0.2)).toBe(99);
    // It died in the middle of the first second: at most ten seconds pass.
    fc.assert(
      fc.property(fc.nat({ max: 1000 }), (last) => {
        const naps = napsFor((nap) => (nap < last ? 40 : 0));
        expect(naps).toBeGreaterThanOrEqual(last);
        expect(naps).toBeLessThan(last + 200);
      }),
    );
  });

  it('is waited for anew after each progress', () => {
    const watchdog = new Watchdog(() => 0);
    for (let step = 0; step < 50; step++) {
      for (let nap = 0; nap < 99; nap++) expect(watchdog.hasExpired(`step ${step}`)).toBe(false);
    }
    expect(watchdog.hasExpired('step 49')).toBe(true);
  });

  it('is waited for where the processor cannot be asked', () => {
    expect(napsFor(() => NaN)).toBe(HOUR - 1);
  });
});
