/** The order in which the selective copying example makes its task harder. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { sizesAt } from '../../examples/selectiveCopying/curriculum.ts';

const sizes = fc.integer({ min: 1, max: 20 }).chain((tokens) =>
  fc.record({
    tokens: fc.constant(tokens),
    places: fc.oneof(fc.constant(tokens), fc.integer({ min: tokens, max: 5000 })),
  }));
const batches = fc.integer({ min: 1, max: 80 });
const STEPS = 70;

it('grows to the full size: tokens first, then places, which double at most', () => {
  fc.assert(fc.property(sizes, batches, (full, batch) => {
    const stages = Array.from({ length: STEPS }, (_, step) => sizesAt(step / STEPS, full, batch));
    for (const [step, { tokens, places, count }] of stages.entries()) {
      expect(tokens).toBeGreaterThanOrEqual(1);
      expect(places).toBeGreaterThanOrEqual(tokens);
      expect(count).toBeGreaterThanOrEqual(batch);
      const { tokens: fewer, places: before } = stages[Math.max(0, step - 1)];
      expect(tokens).toBeGreaterThanOrEqual(fewer);
      expect(places).toBeGreaterThanOrEqual(before);
      expect(places).toBeLessThanOrEqual(2 * before);
      if (places > before) expect(tokens).toBe(full.tokens);
    }
    expect(stages.at(-1)).toMatchObject(full);
  }), { numRuns: 50 });
});

it('goes at the paper\'s size from 4 tokens among 32 places to 16 among 4,096', () => {
  const full = { tokens: 16, places: 4096 };
  const shares = [0, 0.1, 0.2, 0.3, 0.5, 0.6, 0.7, 0.75, 0.8, 0.9, 0.999];
  expect(shares.map((share) => Object.values(sizesAt(share, full, 4)))).toEqual([
    [4, 32, 64], [8, 32, 64], [12, 32, 64], [16, 32, 64],
    [16, 64, 64], [16, 128, 32], [16, 256, 16], [16, 512, 8], [16, 1024, 4], [16, 2048, 4],
    [16, 4096, 4],
  ]);
});
