/**
 * The interactive pieces: at first they are the pictures, and whatever their controls say is drawn
 * well.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Control, controls, type Controls, type PieceName, type Settings,
} from '../../scripts/pictures/src/controls.ts';
import { pictures } from '../../scripts/pictures/src/pictures.ts';
import { drawPiece } from '../../scripts/pictures/src/pieces.ts';
import { spansOf } from '../../scripts/pictures/src/wasmBytes.ts';
import { expectWellMade } from '../support/picture.ts';

const pieces = Object.entries(controls) as [PieceName, Controls][];

const firstOf = (own: Controls): Settings =>
  Object.fromEntries(Object.entries(own).map(([key, { value }]) => [key, value]));

/** Whatever a control can say. */
function valuesOf(control: Control): fc.Arbitrary<number | string | boolean> {
  switch (control.kind) {
    case 'range': {
      const { min, max, step } = control;
      // As a slider has it: a decimal number, and not what sums of steps round to.
      return fc.nat(Math.floor((max - min) / step + 1e-9)).map((i) =>
        Number((min + i * step).toFixed(6)),
      );
    }
    case 'choice': return fc.constantFrom(...Object.keys(control.options));
    case 'check': return fc.boolean();
    case 'text': return fc.constantFrom(
      '3, 1', '4', '[2, 3]', '2 x 3', '1', '', '1, 2, 3', '7', 'a', '0', '-1', '1.5',
    );
  }
}

test('every picture can be changed', () => {
  expect(Object.keys(controls)).toEqual(Object.keys(pictures));
});

describe.each(pieces)('%s', (name, own) => {
  test('is the picture of the chapter at first', async () => {
    expect(await drawPiece(name, firstOf(own))).toBe(await pictures[name]());
  });

  test('is well made with any settings', async () => {
    const settings = fc.record(
      Object.fromEntries(Object.entries(own).map(([key, control]) => [key, valuesOf(control)])),
    );
    await fc.assert(fc.asyncProperty(settings, async (given) => {
      let svg: string;
      try {
        svg = await drawPiece(name, given);
      } catch (error) {
        // Only what readers type or leave out can be wrong.
        expect(['broadcasting', 'loop-nests']).toContain(name);
        expect(String(error)).toMatch(/shape|broadcast|choose one op/);
        return;
      }
      expectWellMade(svg);
    }), { numRuns: 8 });
  }, 60_000);

  test('has labels, and values within its limits', () => {
    for (const control of Object.values(own)) {
      expect(control.label.length).toBeGreaterThan(0);
      if (control.kind === 'range') {
        expect(control.value).toBeGreaterThanOrEqual(control.min);
        expect(control.value).toBeLessThanOrEqual(control.max);
      }
      if (control.kind === 'choice') expect(Object.keys(control.options)).toContain(control.value);
    }
  });
});

test('what cannot be drawn is said', async () => {
  await expect(drawPiece('broadcasting', { a: '3, 2', b: '4' })).rejects.toThrow(/broadcast/);
  await expect(drawPiece('broadcasting', { a: '3, a', b: '4' })).rejects.toThrow(
    'the shape of a is 3, a; expected sizes',
  );
  await expect(drawPiece('broadcasting', { a: '9', b: '4, 1' })).rejects.toThrow(
    'at most two axes are drawn, of at most 6',
  );
  await expect(drawPiece('nothing', {})).rejects.toThrow('there is no piece nothing');
});

test('an instruction is written where the code says it', () => {
  const code = 'f32.sub(f32.mul(f32.add(x, y), x), y)';
  expect(spansOf(code).map(([start, end]) => code.slice(start, end))).toEqual(
    ['x', 'y', 'f32.add(x, y)', 'x', 'f32.mul(f32.add(x, y), x)', 'y', code],
  );
});
