/**
 * Charts as SVG, in a few small functions: each gives a piece of markup, and `svg` wraps them into
 * a file. Colours are safe for colour-blind readers, and text follows the reader's light or dark
 * mode.
 */
import { type Attributes, element, join, type Markup, shorten, text as words } from '#markup';

/** A colour scale: red, green and blue at equal distances, from the lowest value to the highest. */
export type Scale = readonly (readonly [red: number, green: number, blue: number])[];

/** From dark blue to yellow, by brightness as well as by hue (cividis). */
export const sequential: Scale = [
  [0, 32, 77], [45, 68, 110], [101, 103, 114], [151, 139, 119], [204, 180, 99], [255, 234, 70],
];

/** From blue over light grey to orange; the middle is neutral. */
export const diverging: Scale = [
  [5, 48, 97], [67, 147, 195], [224, 224, 224], [224, 130, 20], [127, 59, 8],
];

/** Colours of lines that are easy to tell apart (after Okabe and Ito). */
export const lineColors: readonly string[] =
  ['#1f83c8', '#e69f00', '#009e73', '#cc79a7', '#56b4e9'];

/**
 * The colour of a value from 0 to 1, as hexadecimal digits; values beyond take those of the ends.
 */
export function colorOf(scale: Scale, value: number): string {
  const last = scale.length - 1;
  const position = Math.min(Math.max(value, 0), 1) * last;
  const left = Math.min(Math.floor(position), last - 1);
  const mixed = scale[left].map((channel, i) => {
    const exact = channel + (position - left) * (scale[left + 1][i] - channel);
    return Math.round(exact).toString(16).padStart(2, '0');
  });
  return `#${mixed.join('')}`;
}

/** Where text is anchored, and its class: 'title', 'small', 'inverse' (on a colour) or none. */
export interface TextOptions {
  readonly anchor?: 'start' | 'middle' | 'end';
  readonly class?: string;
  /** Degrees clockwise around x, y. */
  readonly rotate?: number;
}

/** A line of text whose baseline is at y. */
export function text(x: number, y: number, content: string, options: TextOptions = {}): Markup {
  const { anchor = 'start', rotate } = options;
  const given = {
    x, y, 'text-anchor': anchor, class: options.class,
    transform: rotate === undefined ? undefined
      : `rotate(${rotate} ${shorten(x)} ${shorten(y)})`,
  };
  return element('text', given, words(content));
}

/** A rectangle, with further attributes. */
export function rect(
  x: number, y: number, width: number, height: number, more: Attributes = {},
): Markup {
  return element('rect', { x, y, width, height, ...more });
}

/** A line through points, in a colour or as an axis. */
export function polyline(
  points: readonly (readonly [x: number, y: number])[], color?: string, width = 2,
): Markup {
  const path = points.map(([x, y]) => `${shorten(x)},${shorten(y)}`).join(' ');
  const style = color === undefined ? { class: 'axis' } : { stroke: color, 'stroke-width': width };
  return element('polyline', { points: path, fill: 'none', ...style });
}

/** The place and the size of a chart. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A rectangle as part of a path. */
const box = (x: number, y: number, width: number, height: number): string =>
  `M${shorten(x)} ${shorten(y)}h${shorten(width)}v${shorten(height)}h${shorten(-width)}z`;

/** Many small marks, each around its point. */
export function marks(
  points: readonly (readonly [x: number, y: number])[], width: number, height: number, fill: string,
): Markup {
  const d = points.map(([x, y]) => box(x - width / 2, y - height / 2, width, height)).join('');
  return element('path', { fill, d });
}

/** Colours of cells are one of so many, so that cells of one colour are one path. */
const LEVELS = 64;

/** Values from 0 to 1 as coloured cells, a row each; undefined cells stay empty. */
export function heatMap(
  { x, y, width, height }: Box, rows: readonly (readonly (number | undefined)[])[], scale: Scale,
): Markup {
  const [wide, high] = [width / rows[0].length, height / rows.length];
  const paths = new Map<string, string>();
  rows.forEach((row, i) => {
    const colors = row.map((value) => value === undefined ? undefined
      : colorOf(scale, Math.round(value * LEVELS) / LEVELS));
    colors.forEach((color, j) => {
      if (color === undefined || color === colors[j - 1]) return;
      // Neighbours of one colour are one rectangle.
      const end = colors.findIndex((other, k) => k > j && other !== color);
      const length = (end < 0 ? colors.length : end) - j;
      const cell = box(x + j * wide, y + i * high, length * wide, high);
      paths.set(color, (paths.get(color) ?? '') + cell);
    });
  });
  const drawn = Array.from(paths, ([fill, d]) => element('path', { fill, d }));
  return element('g', { 'shape-rendering': 'crispEdges' }, ...drawn);
}

/** A vertical colour scale with a label at some of its values, from 0 at the bottom to 1. */
export function colorBar(
  { x, y, width, height }: Box, scale: Scale, labels: readonly (readonly [number, string])[],
): Markup {
  const steps = Array.from({ length: 32 }, (_, i) => [1 - (i + 0.5) / 32]);
  const ticks = labels.map(([value, label]) =>
    text(x + width + 5, y + (1 - value) * height + 4, label, { class: 'small' }),
  );
  return join([heatMap({ x, y, width, height }, steps, scale), ...ticks]);
}

const style = `
  svg { font-family: system-ui, "DejaVu Sans", sans-serif; font-size: 12px; }
  text { fill: #24292f; } .title { font-size: 14px; font-weight: 600; } .small { font-size: 10px; }
  .inverse { fill: #ffffff; }
  .page { fill: #ffffff; } .axis { stroke: #57606a; stroke-width: 1; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .page { fill: #0d1117; } .axis { stroke: #9ea7b3; }
  }
` as Markup;

/** A file with these pieces of markup; `title` says what is to be seen, for those who cannot. */
export function svg(
  width: number, height: number, title: string, pieces: readonly Markup[],
): string {
  const given = {
    xmlns: 'http://www.w3.org/2000/svg', width, height,
    viewBox: `0 0 ${shorten(width)} ${shorten(height)}`, role: 'img',
  };
  const content = [
    element('title', {}, words(title)), element('style', {}, style),
    rect(0, 0, width, height, { class: 'page' }), ...pieces,
  ];
  // The first and the last line are those of the element itself.
  return `${element('svg', given, join([words(''), ...content, words('')], '\n'))}\n`;
}
