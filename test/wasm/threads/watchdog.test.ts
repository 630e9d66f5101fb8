/** The watchdog: while the process uses processor time, some thread is at work. */
import { Watchdog } from '@mambagrad/wasm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

/** An hour in asks, one every 50 ms. */
const HOUR = 72_000;

/**
 * How often it is asked, without progress, before it expires, if each ask finds so much time used.
 */
function asksUntilExpired(usedPerAsk: (ask: number) => number, most = 2 * HOUR): number {
  let [used, ask] = [0, 0];
  const watchdog = new Watchdog(() => used);
  while (ask < most && !watchdog.hasExpired('loop 1')) used += usedPerAsk(ask++);
  return ask;
}

describe('a thread that is waited for', () => {
  it('is taken to be alive while the processor is used, for up to an hour', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), (used) => {
        expect(asksUntilExpired(() => used)).toBe(HOUR - 1);
      }),
      { numRuns: 3 },
    );
    // It need not be used all the time: others may have it.
    expect(asksUntilExpired((ask) => (ask % 90 === 0 ? 50 : 0))).toBe(HOUR - 1);
  });

  it('is taken to be dead after five seconds in which it is not used', () => {
    expect(asksUntilExpired(() => 0)).toBe(99);
    // To wait takes some of it.
    expect(asksUntilExpired(() => 0.2)).toBe(99);
    // It died in the middle of the first second: at most ten seconds pass.
    fc.assert(
      fc.property(fc.nat({ max: 1000 }), (last) => {
        const asks = asksUntilExpired((ask) => (ask < last ? 40 : 0));
        expect(asks).toBeGreaterThanOrEqual(last);
        expect(asks).toBeLessThan(last + 200);
      }),
    );
  });

  it('is waited for anew after each progress', () => {
    const watchdog = new Watchdog(() => 0);
    for (let step = 0; step < 50; step++) {
      for (let ask = 0; ask < 99; ask++) expect(watchdog.hasExpired(`step ${step}`)).toBe(false);
    }
    expect(watchdog.hasExpired('step 49')).toBe(true);
  });

  it('is waited for where the processor cannot be asked', () => {
    expect(asksUntilExpired(() => NaN)).toBe(HOUR - 1);
  });
});
