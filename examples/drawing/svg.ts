/**
 * Charts as SVG, in a few small functions: each gives a piece of markup, and `svg` wraps them into
 * a file. Colours are safe for colour-blind readers, and text follows the reader's light or dark
 * mode.
 */

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
export const lineColors: readonly string[] = ['#1f83c8', '#e69f00', '#009e73', '#cc79a7', '#56b4e9'];

/** The colour of a value from 0 to 1, as hexadecimal digits; values beyond take those of the ends. */
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

/** A coordinate with at most one decimal, so that files stay small. */
const round = (value: number): string => String(Math.round(10 * value) / 10);

const attributes = (given: Readonly<Record<string, string | number>>): string =>
  Object.entries(given)
    .map(([name, value]) => ` ${name}="${typeof value === 'number' ? round(value) : value}"`)
    .join('');

const escape = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/** Where text is anchored, and its class: 'title', 'small', 'inverse' (on a colour) or none. */
export interface TextOptions {
  readonly anchor?: 'start' | 'middle' | 'end';
  readonly class?: string;
  /** Degrees clockwise around x, y. */
  readonly rotate?: number;
}

/** A line of text whose baseline is at y. */
export function text(x: number, y: number, content: string, options: TextOptions = {}): string {
  const { anchor = 'start', rotate } = options;
  const given = {
    x, y, 'text-anchor': anchor,
    ...(options.class && { class: options.class }),
    ...(rotate !== undefined && { transform: `rotate(${rotate} ${round(x)} ${round(y)})` }),
  };
  return `<text${attributes(given)}>${escape(content)}</text>`;
}

export function rect(
  x: number, y: number, width: number, height: number, more: Readonly<Record<string, string>> = {},
): string {
  return `<rect${attributes({ x, y, width, height, ...more })}/>`;
}

/** A line through points, in a colour or as an axis. */
export function polyline(
  points: readonly (readonly [x: number, y: number])[], color?: string, width = 2,
): string {
  const path = points.map(([x, y]) => `${round(x)},${round(y)}`).join(' ');
  const style = color === undefined ? { class: 'axis' } : { stroke: color, 'stroke-width': width };
  return `<polyline${attributes({ points: path, fill: 'none', ...style })}/>`;
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
  `M${round(x)} ${round(y)}h${round(width)}v${round(height)}h${round(-width)}z`;

/** Many small marks, each around its point. */
export function marks(
  points: readonly (readonly [x: number, y: number])[], width: number, height: number, fill: string,
): string {
  const d = points.map(([x, y]) => box(x - width / 2, y - height / 2, width, height)).join('');
  return `<path${attributes({ fill, d })}/>`;
}

/** Colours of cells are one of so many, so that cells of one colour are one path. */
const LEVELS = 64;

/** Values from 0 to 1 as coloured cells, a row each; undefined cells stay empty. */
export function heatMap(
  { x, y, width, height }: Box, rows: readonly (readonly (number | undefined)[])[], scale: Scale,
): string {
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
  const drawn = Array.from(paths, ([fill, d]) => `<path${attributes({ fill, d })}/>`);
  return `<g shape-rendering="crispEdges">${drawn.join('')}</g>`;
}

/** A vertical colour scale with a label at some of its values, from 0 at the bottom to 1. */
export function colorBar(
  { x, y, width, height }: Box, scale: Scale, labels: readonly (readonly [number, string])[],
): string {
  const steps = Array.from({ length: 32 }, (_, i) => [1 - (i + 0.5) / 32]);
  const ticks = labels.map(([value, label]) =>
    text(x + width + 5, y + (1 - value) * height + 4, label, { class: 'small' }),
  );
  return heatMap({ x, y, width, height }, steps, scale) + ticks.join('');
}

const style = `
  svg { font-family: system-ui, "DejaVu Sans", sans-serif; font-size: 12px; }
  text { fill: #24292f; } .title { font-size: 14px; font-weight: 600; } .small { font-size: 10px; }
  .inverse { fill: #ffffff; }
  .page { fill: #ffffff; } .axis { stroke: #57606a; stroke-width: 1; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; } .page { fill: #0d1117; } .axis { stroke: #9ea7b3; }
  }
`;

/** A file with these pieces of markup; `title` says what is to be seen, for those who cannot. */
export function svg(
  width: number, height: number, title: string, pieces: readonly string[],
): string {
  const size = { width, height, viewBox: `0 0 ${round(width)} ${round(height)}` };
  return [
    `<svg xmlns="http://www.w3.org/2000/svg"${attributes(size)} role="img">`,
    `<title>${escape(title)}</title>`, `<style>${style}</style>`,
    rect(0, 0, width, height, { class: 'page' }), ...pieces, '</svg>', '',
  ].join('\n');
}
