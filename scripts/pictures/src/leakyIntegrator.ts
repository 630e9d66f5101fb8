/**
 * The leaky integrator, h′ = −a·h + u, sampled with steps of length Δ (zero-order hold):
 *
 *     h_t = k · h_{t−1} + (1 − k)/a · u_t,     k = exp(−a·Δ)
 *
 * A small Δ changes the state little: a long memory of many inputs. A large one replaces it by the
 * input.
 */
import { linearScan, tensor } from '@mambagrad/tensor';
import { type Box, box, line, type Mark, number, picture, type Point, text, WIDTH } from './kit.ts';

/** The step sizes, the rate of the leak, and the input. */
export interface LeakyIntegratorOptions {
  /** Default 1. */
  readonly a?: number;
  readonly steps?: readonly number[];
  readonly input?: readonly number[];
}

/** A long pulse, and a short one. */
export const pulses: readonly number[] =
  Array.from({ length: 60 }, (_, t) => ((t >= 6 && t < 26) || t === 40 ? 1 : 0));
const HIGH = 78;
const [LEFT, RIGHT] = [34, 14];

/** Draws the input, and the state for each Δ below each other. */
export function draw(options: LeakyIntegratorOptions = {}): string {
  const { steps = [0.05, 0.3, 2], a = 1, input = pulses } = options;
  const panels = steps.map((delta, i) => {
    const kept = Math.exp(-a * delta);
    const u = tensor(input, { dtype: 'f64' });
    const h = linearScan(u.mul(0).add(kept), u.mul((1 - kept) / a)).data;
    const place = { x: LEFT, y: 70 + i * (HIGH + 46), width: WIDTH - LEFT - RIGHT, height: HIGH };
    const percent = number(100 * kept, 2);
    const words = `Δ = ${delta}: keeps ${percent} % of the state at each step`;
    return { words, marks: panel(place, words, input, Array.from(h), Math.max(1, 1 / a)) };
  });
  const bottom = 70 + steps.length * (HIGH + 46) - 46;
  return picture({
    height: bottom + 38,
    title: 'A leaky integrator with small and large steps',
    description: panels.map(({ words }) => words).join('; '),
  }, [
    box({ x: 14, y: 14, width: 14, height: 14 }, { fill: 'quiet' }),
    text(34, 21, 'input u', { class: 'small' }),
    line([[110, 21], [128, 21]], { color: 'c0', class: 'thick' }),
    text(134, 21, 'state h', { class: 'small', color: 'c0' }),
    ...panels.flatMap(({ marks }) => marks),
    ...[0, 20, 40].map((t) => {
      const x = LEFT + (t + 0.5) * (WIDTH - LEFT - RIGHT) / input.length;
      return text(x, bottom + 14, String(t), { anchor: 'middle', class: 'small', color: 'quiet' });
    }),
    text(WIDTH - RIGHT, bottom + 14, 'step t', { anchor: 'end', class: 'small', color: 'quiet' }),
  ]);
}

/** One Δ: the input as bars, the state as a line over them; values are at most `highest`. */
function panel(
  place: Box, words: string, input: readonly number[], state: readonly number[], highest: number,
): Mark[] {
  const width = place.width / input.length;
  const bottom = place.y + place.height;
  const level = (value: number): number => bottom - value / highest * (place.height - 4);
  const bars = input.map((u, t) => u === 0 ? '' : box(
    { x: place.x + t * width, y: level(u), width, height: bottom - level(u) }, { fill: 'quiet' },
  ));
  const points = state.map((h, t): Point => [place.x + (t + 0.5) * width, level(h)]);
  return [
    text(14, place.y - 16, words, { class: 'small bold' }), ...bars,
    line([[place.x, bottom], [place.x + place.width, bottom]], { class: 'thin' }),
    ...[0, highest].map((value, i) => text(place.x - 8, level(value) + 3 * i, number(value, 2), {
      anchor: 'end', class: 'small', color: 'quiet',
    })),
    line(points, { color: 'c0', class: 'thick' }),
  ];
}
