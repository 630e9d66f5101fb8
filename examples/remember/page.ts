/**
 * The picture of a memory, as SVG: step sizes and influence over one sequence, under each other
 * with the sequence on top, and what is left of each token in each channel.
 */
import { join, type Markup } from '#markup';
import {
  type Box, colorBar, diverging, heatMap, lineColors, marks, polyline, rect, sequential, svg,
  text,
} from '../drawing/svg.ts';
import { type Kept, mean } from './measures.ts';

/** The contents of the page; channels, or heads, in the order in which they are shown. */
export interface Picture {
  readonly title: string;
  readonly subtitle: string;
  readonly units: 'channels' | 'heads';
  /** A sign for each step: `·` for noise, a letter for a token, `?` where an answer is due. */
  readonly signs: readonly string[];
  /** Δ of each channel at each step, through what it is at noise far from tokens */
  readonly factors: readonly (readonly number[])[];
  /** The half-lives of the states of each channel, in steps */
  readonly halfLives: readonly (readonly number[])[];
  /** What is left of each token; shares by step and channel */
  readonly kept: readonly Kept[];
  /** |influence| on each answer, by answer and step */
  readonly influence: readonly (readonly number[])[];
}

const LEFT = 92;
const CELL = 19;
/** Between the charts beside each other; a legend fits in. */
const GAP = 34;
const LEGEND = 48;
/** Factors of Δ are shown from 1/64 to 64, half-lives between these powers of 10. */
const DOUBLINGS = 6;
const DECADES = [-1, 0, 1, 2, 3, 4];

/** The picture as the text of an SVG file. */
export function drawPage(picture: Picture): string {
  const { signs, factors, title, subtitle } = picture;
  const width = CELL * signs.length;
  const steps = { x: LEFT, width };
  const row = Math.min(Math.max(Math.floor(256 / factors.length), 4), 12);
  const channels = { y: 122, height: Math.max(factors.length * row, 64) };
  const influence = { ...steps, y: channels.y + channels.height + 66, height: 96 };
  const left = { ...steps, y: influence.y + influence.height + 66, height: 110 };
  const kept = { ...channels, x: LEFT + width + GAP, width: 22 * picture.kept.length };
  const lives = { ...channels, x: kept.x + kept.width + LEGEND + GAP, width: 170 };
  const right = lives.x + lives.width + 36;
  return svg(right, left.y + left.height + 42, title, [
    text(20, 28, title, { class: 'title' }), text(20, 46, subtitle),
    signRow(steps.x, 92, signs),
    text(LEFT, 76, 'The input, a step in each column; ? asks for an answer', { class: 'small' }),
    ...deltaChart({ ...steps, ...channels }, picture),
    ...keptChart(kept, picture), ...halfLifeChart(lives, picture),
    ...influenceChart(influence, picture, kept.x), ...leftChart(left, picture, kept.x),
  ]);
}

/** The input as a row of boxes, noise as dots. */
function signRow(x: number, y: number, signs: readonly string[]): Markup {
  return join(signs.map((sign, step) => {
    const center = x + (step + 0.5) * CELL;
    const isToken = sign !== '·' && sign !== '?';
    const box = rect(center - 8, y, 16, 18, { rx: '3', fill: lineColors[0] });
    const letter = text(center, y + 13, sign, {
      anchor: 'middle', ...(isToken && { class: 'inverse' }),
    });
    return isToken ? join([box, letter]) : letter;
  }));
}

/** A heading over a chart. */
const heading = ({ x, y }: Box, content: string): Markup => text(x, y - 12, content);

function deltaChart(box: Box, { factors, units }: Picture): Markup[] {
  const shown = factors.map((row) =>
    row.map((factor) => 0.5 + Math.log2(factor) / (2 * DOUBLINGS)),
  );
  const middle = box.y + box.height / 2;
  return [
    heatMap(box, shown, diverging),
    text(16, middle, `${factors.length} ${units}, long memory at the top`, {
      anchor: 'middle', class: 'small', rotate: -90,
    }),
    colorBar({ x: 40, y: box.y, width: 12, height: Math.min(box.height, 120) }, diverging, [
      [0, '÷ 64'], [0.5, '× 1'], [1, '× 64'],
    ]),
    text(LEFT, box.y + box.height + 16,
      `Step size Δ of each ${units.slice(0, -1)}, relative to what it is at noise far from tokens`),
  ];
}

function keptChart(box: Box, { kept, factors, influence }: Picture): Markup[] {
  // The first answer is due after the last step that has an influence of its own.
  const first = influence[0].length;
  const rows = factors.map((_, channel) =>
    kept.map(({ from, shares }) => shares.at(first - from)?.[channel]),
  );
  return [
    text(box.x, box.y - 32, 'Left of each token'), text(box.x, box.y - 18, 'at the first answer'),
    heatMap(box, rows, sequential),
    ...kept.map((_, i) => text(box.x + 22 * (i + 0.5), box.y - 4, `${i + 1}`, {
      anchor: 'middle', class: 'small',
    })),
    colorBar({ x: box.x + box.width + 10, y: box.y, width: 8, height: 64 }, sequential, [
      [0, '0 %'], [1, '100 %'],
    ]),
  ];
}

function halfLifeChart(box: Box, { halfLives, signs }: Picture): Markup[] {
  const [first, last] = [DECADES[0], DECADES[DECADES.length - 1]];
  const at = (life: number) => {
    const position = (Math.log10(life) - first) / (last - first);
    return box.x + box.width * Math.min(Math.max(position, 0), 1);
  };
  const height = box.height / halfLives.length;
  const points = halfLives.flatMap((lives, channel) =>
    lives.map((life) => [at(life), box.y + height * (channel + 0.5)] as const),
  );
  const bottom = box.y + box.height;
  const end = at(signs.length);
  return [
    text(box.x, box.y - 16, 'Half-life of each state', {}),
    polyline([[box.x, bottom], [box.x + box.width, bottom]]),
    ...DECADES.map((decade) =>
      polyline([[at(10 ** decade), bottom], [at(10 ** decade), bottom + 4]]),
    ),
    ...DECADES.map((decade) => text(at(10 ** decade), bottom + 15, label(decade), {
      anchor: 'middle', class: 'small',
    })),
    text(box.x + box.width / 2, bottom + 29, 'steps', { anchor: 'middle', class: 'small' }),
    polyline([[end, box.y], [end, bottom]], lineColors[1], 1.5),
    text(end, box.y - 3, 'this sequence', { anchor: 'middle', class: 'small' }),
    marks(points, 3, 2, lineColors[0]),
  ];
}

/** A power of ten; those at the ends stand for all beyond. */
function label(decade: number): string {
  const sign = decade === DECADES[0] ? '≤ ' : decade === DECADES[DECADES.length - 1] ? '≥ ' : '';
  return sign + (decade > 2 ? `10${'⁰¹²³⁴'[decade]}` : `${10 ** decade}`);
}

function influenceChart(box: Box, { influence, signs, units }: Picture, legend: number): Markup[] {
  const rows = influence.map((row) => {
    const largest = Math.max(...row);
    return signs.map((_, step) => step < row.length ? row[step] / largest : undefined);
  });
  const height = box.height / rows.length;
  return [
    heading(box, `Influence of each step (column) on each answer (row), |M|, mean over ${units}`),
    heatMap(box, rows, sequential),
    ...rows.map((_, i) => text(box.x - 8, box.y + height * (i + 0.5) + 4, `answer ${i + 1}`, {
      anchor: 'end',
    })),
    colorBar({ x: legend, y: box.y, width: 12, height: box.height }, sequential, [
      [0, '0'], [1, 'largest of the row'],
    ]),
  ];
}

function leftChart(box: Box, { kept, signs, units }: Picture, legend: number): Markup[] {
  const at = (step: number) => box.x + CELL * (step + 0.5);
  const level = (share: number) => box.y + (1 - share) * box.height;
  const color = (token: number) => lineColors[token % lineColors.length];
  const bottom = box.y + box.height;
  return [
    heading(box, `Left of each token over time, mean over ${units}`),
    polyline([[box.x, box.y], [box.x, bottom], [box.x + box.width, bottom]]),
    ...[0, 0.5, 1].map((share) =>
      text(box.x - 8, level(share) + 4, `${100 * share} %`, { anchor: 'end', class: 'small' }),
    ),
    ...signs.flatMap((_, step) => step % 4 > 0 ? [] : [
      text(at(step), bottom + 14, `${step}`, { anchor: 'middle', class: 'small' }),
    ]),
    text(box.x + box.width / 2, bottom + 30, 'step', { anchor: 'middle', class: 'small' }),
    ...kept.map(({ from, shares }, token) => polyline(
      shares.map((ofChannels, k) => [at(from + k), level(mean(ofChannels))]), color(token),
    )),
    ...kept.flatMap((_, token) => {
      const y = box.y + 8 + 18 * token;
      return [
        polyline([[legend, y], [legend + 18, y]], color(token)),
        text(legend + 26, y + 4, `token ${token + 1}`),
      ];
    }),
  ];
}
