/** The picture of the experiment, as SVG: accuracy over length, and the step sizes of channels. */
import type { Markup } from '#markup';
import { type Box, lineColors, marks, polyline, svg, text } from '../drawing/svg.ts';
import type { Channel, Score } from './measures.ts';

const WIDTH = 760;
const accuracyBox: Box = { x: 70, y: 50, width: 640, height: 170 };
const deltaBox: Box = { x: 70, y: 290, width: 640, height: 190 };

/** Δ is drawn between these powers of 10. */
const [LOWEST, HIGHEST] = [-20, 1];

/** The picture as the text of an SVG file. */
export function drawPage(
  scores: readonly Score[], channels: readonly (readonly Channel[])[], place: number,
): string {
  const title = 'Induction heads: trained at length 256, tested beyond';
  return svg(WIDTH, 530, title, [
    text(accuracyBox.x, 24, title, { class: 'title' }),
    ...drawAccuracy(scores),
    ...drawDelta(channels.flat(), place),
  ]);
}

function frame({ x, y, width, height }: Box, label: string): Markup[] {
  return [
    polyline([[x, y], [x, y + height], [x + width, y + height]]),
    text(x, y - 8, label),
  ];
}

function drawAccuracy(scores: readonly Score[]): Markup[] {
  const { x, y, width, height } = accuracyBox;
  const exponents = scores.map(({ length }) => Math.log2(length));
  const [first, last] = [exponents[0], exponents[exponents.length - 1]];
  const scale = (width - 30) / (last - first || 1);
  const at = (exponent: number) => x + 15 + scale * (exponent - first);
  const points = scores.map(({ right, count }, i) =>
    [at(exponents[i]), y + height * (1 - right / count)] as const);
  return [
    ...frame(accuracyBox, 'accuracy over the length of the sequence'),
    ...[0, 0.5, 1].map((share) =>
      text(x - 8, y + height * (1 - share) + 4, `${100 * share} %`, { anchor: 'end' })),
    ...exponents.map((exponent) => text(at(exponent), y + height + 18, String(2 ** exponent), {
      anchor: 'middle', class: 'small',
    })),
    polyline(points, lineColors[0]),
    marks(points, 7, 7, lineColors[0]),
  ];
}

function drawDelta(channels: readonly Channel[], place: number): Markup[] {
  const { x, y, width, height } = deltaBox;
  const length = channels[0]?.delta.length ?? 1;
  const level = (delta: number) => {
    const power = Math.min(Math.max(Math.log10(delta), LOWEST), HIGHEST);
    return y + (height * (HIGHEST - power)) / (HIGHEST - LOWEST);
  };
  const at = (t: number) => x + (width * t) / length;
  const powers = Array.from({ length: 5 }, (_, i) => -5 * i);
  return [
    ...frame(deltaBox, 'step size Δ of the channels that open most, in a sequence of 256'),
    ...powers.map((power) => text(x - 8, level(10 ** power) + 4, `1e${power}`, { anchor: 'end' })),
    text(at(place), y + height + 18, 'the special token', { anchor: 'middle', class: 'small' }),
    ...channels.map(({ delta, layer }) =>
      polyline(delta.map((each, t) => [at(t), level(each)]), lineColors[layer], 1)),
    ...[0, 1].map((layer) =>
      text(x + width, y + 10 + 14 * layer, layer === 0 ? '— first layer' : '— second layer', {
        anchor: 'end', class: 'small',
      })),
  ];
}
