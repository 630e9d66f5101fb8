/**
 * What a trained Mamba remembers of one sequence of selective copying: Δ of each channel at each
 * step, what is left of each token over time, and the influence of each step on each answer.
 */
import { shades } from './grid.ts';
import {
  type Box, box, type Color, line, type Mark, number, picture, type Point, text, WIDTH,
} from './kit.ts';
import { recording } from './rememberedRecording.ts';

/** What was measured of a model; `npm run example remember` prints and draws the same. */
export interface Remembered {
  /** A sign for each step: `·` for noise, a letter for a token, `?` where an answer is due. */
  readonly signs: string;
  /** Δ by channel and step, a letter each: m is Δ at noise, and each letter after it √2 more. */
  readonly factors: readonly string[];
  /** Of each token, the step that writes it, and the per cent that are left at each step since. */
  readonly kept: readonly { readonly from: number; readonly left: readonly number[] }[];
  /** For each answer, |influence| of each step, in per cent of the largest. */
  readonly influence: readonly (readonly number[])[];
}

/** What stands out: a token, and a channel, each by its number. Default none. */
export interface RememberedOptions {
  readonly token?: number | undefined;
  readonly channel?: number | undefined;
}

const [LEFT, RIGHT] = [80, 12];
const colors: readonly Color[] = ['c0', 'c1', 'c2', 'c3', 'c4'];
/** Δ is shown from 1/64 to 64 times that at noise: so many letters to each side of m. */
const LETTERS = 12;

/** Draws the measurements below each other, a step in each column. */
export function draw(
  { token, channel }: RememberedOptions = {}, remembered: Remembered = recording,
): string {
  const { signs, factors, kept, influence } = remembered;
  const wide = (WIDTH - LEFT - RIGHT) / signs.length;
  const row = Math.min(3, 200 / factors.length);
  const delta = { x: LEFT, y: 76, width: WIDTH - LEFT - RIGHT, height: row * factors.length };
  const left = delta.y + delta.height + 50;
  const influenceTop = left + 90 + 50;
  const levels = factors.map((channel) => Array.from(channel, (letter) =>
    (letter.charCodeAt(0) - 'm'.charCodeAt(0)) / LETTERS));
  const rows = influence.map((values) => [...signs].map((_, step) =>
    step < values.length ? values[step] / 100 : undefined));
  const height = 20 * rows.length;
  return picture({
    height: influenceTop + height + 34,
    title: 'What a trained Mamba remembers of a sequence',
    description: kept.map(({ from, left: shares }, i) =>
      `Token ${i + 1}, written at step ${from}: ${shares[shares.length - 1]} % are left at the end`,
    ).join('; '),
  }, [
    ...signRow(signs, wide),
    text(14, 62, 'Δ by channel: larger than at noise, or smaller', { class: 'small bold' }),
    shades(delta, levels, ['c1', 'c0']),
    text(14, delta.y + 10, '× 64', { class: 'small', color: 'c1' }),
    text(14, delta.y + 30, '÷ 64', { class: 'small', color: 'c0' }),
    text(14, left - 16, 'left of each token, mean over channels', { class: 'small bold' }),
    ...(channel === undefined ? [] : channelMarks(factors[channel], channel, delta, row)),
    ...keptLines(kept, wide, left, token),
    text(14, influenceTop - 16, 'influence of each step on each answer', { class: 'small bold' }),
    shades({ x: LEFT, y: influenceTop, width: delta.width, height }, rows, ['c2', 'c2']),
    ...rows.map((_, i) => text(LEFT - 8, influenceTop + 20 * i + 10, `answer ${i + 1}`, {
      anchor: 'end', class: 'small', color: 'quiet',
    })),
    ...[0, 8, 16, 24].filter((step) => step < signs.length).map((step) => text(
      LEFT + (step + 0.5) * wide, influenceTop + height + 14, String(step),
      { anchor: 'middle', class: 'small', color: 'quiet' },
    )),
    text(14, influenceTop + height + 14, 'step', { class: 'small', color: 'quiet' }),
  ]);
}

/** The sequence: noise as dots, tokens in the colours that their lines have. */
function signRow(signs: string, wide: number): Mark[] {
  let token = 0;
  const marks = [...signs].map((sign, step) => {
    const middle = LEFT + (step + 0.5) * wide;
    const isToken = sign !== '·' && sign !== '?';
    const color = isToken ? colors[token++ % colors.length] : 'quiet';
    const ground = isToken
      ? box({ x: middle - 6.5, y: 21, width: 13, height: 20 }, { fill: color, radius: 3 }) : '';
    return ground + text(middle, 31, sign, {
      anchor: 'middle', color, class: isToken ? 'small bold' : 'small',
    });
  });
  return [text(14, 31, 'input', { class: 'small', color: 'quiet' }), ...marks];
}

/** A frame around a channel, and in words how much larger its Δ is at most. */
function channelMarks(factors: string, channel: number, place: Box, row: number): Mark[] {
  const most = Math.max(...Array.from(factors, (letter) => letter.charCodeAt(0)));
  const times = number(2 ** ((most - 'm'.charCodeAt(0)) / 2), 2);
  const frame = { x: place.x - 1, y: place.y + channel * row - 1, width: place.width + 2 };
  return [
    box({ ...frame, height: row + 2 }, { outline: 'ink', class: 'thin' }),
    text(WIDTH - RIGHT, place.y + place.height + 12, `channel ${channel + 1}: up to × ${times}`, {
      anchor: 'end', class: 'small',
    }),
  ];
}

/** A line for each token, from the step that writes it; one of them may stand out. */
function keptLines(
  kept: Remembered['kept'], wide: number, top: number, token: number | undefined,
): Mark[] {
  const level = (percent: number): number => top + 90 * (1 - percent / 100);
  const grid = [0, 50, 100].flatMap((percent) => [
    line([[LEFT, level(percent)], [WIDTH - RIGHT, level(percent)]], { class: 'thin' }),
    text(LEFT - 8, level(percent), `${percent} %`, {
      anchor: 'end', class: 'small', color: 'quiet',
    }),
  ]);
  const lines = kept.map(({ from, left }, i) => line(
    left.map((percent, k): Point => [LEFT + (from + k + 0.5) * wide, level(percent)]),
    token === undefined || token === i ? { color: colors[i % colors.length], class: 'thick' }
      : { color: 'line', class: 'thin' },
  ));
  return [...grid, ...lines];
}
