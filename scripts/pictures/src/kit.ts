/**
 * The drawing kit of the pictures: SVG of a few kinds of marks. Colours are classes, with values
 * for light and dark in one style sheet, so that a picture follows the reader's setting, on a page
 * of the repository as on the site (an image takes the colour scheme of the element that shows it).
 * Coordinates are rounded to a tenth, so that a file has the same bytes on every machine.
 *
 * A picture is 420 units wide unless it needs more. A phone shows it on about 360 pixels, where the
 * smallest text, 13 units, is 11 pixels high.
 */
import { type Attributes, element, type Markup, shorten, text as words } from '#markup';

/** A piece of SVG, of one or more elements; those of the pictures are made by this file alone. */
export type Mark = string;

/** The width of a picture. */
export const WIDTH = 420;
/** The width of a character of the classes `code` and `small code`, for text that has to fit. */
export const CHARACTER = 7.9;

/** The colours of lines and boxes, and of text on the page, by class. */
const colors = {
  light: {
    page: '#ffffff', raised: '#f1f3f6', ink: '#1d2229', quiet: '#57606b', line: '#c9cfd6',
    c0: '#0b6bc2', c1: '#b85c00', c2: '#0a7a55', c3: '#a8327e', c4: '#6b4fc0',
  },
  dark: {
    page: '#15181d', raised: '#232830', ink: '#dce1e7', quiet: '#9aa4b0', line: '#444c57',
    c0: '#6cb2f5', c1: '#f0a04b', c2: '#4cc79a', c3: '#ec8ac4', c4: '#ab97f2',
  },
};

/** A colour: ink, quiet or line for what is neutral, c0 to c4 for kinds of things. */
export type Color = Exclude<keyof typeof colors.light, 'page' | 'raised'>;

/** The rules of one set of colours: for text and shapes (f-), outlines (s-) and pale fills (p-). */
function rulesOf(set: Readonly<Record<string, string>>): string {
  return Object.entries(set).map(([name, value]) =>
    `.f-${name}{fill:${value}}.s-${name}{stroke:${value}}` +
    `.p-${name}{fill:${value};fill-opacity:.16}`,
  ).join('\n');
}

const style = `
text { font: 14px system-ui, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
.small { font-size: 13px; }
.code { font: 13px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; white-space: pre; }
.bold { font-weight: 600; }
.s { fill: none; stroke-width: 1.5; stroke-linejoin: round; stroke-linecap: round; }
.thin { stroke-width: 1; } .thick { stroke-width: 2.5; } .dashed { stroke-dasharray: 4 4; }
${rulesOf(colors.light)}
@media (prefers-color-scheme: dark) {
${rulesOf(colors.dark)}
}
`;

/** How text is set: where it is anchored, its colour, and further classes (small, bold, code). */
export interface TextOptions {
  readonly anchor?: 'start' | 'middle' | 'end';
  readonly color?: Color | 'page';
  readonly class?: string;
}

/** A line of text; y is the middle of its small letters. */
export function text(x: number, y: number, content: string, options: TextOptions = {}): Mark {
  const { anchor = 'start', color = 'ink', class: more } = options;
  const classes = more === undefined ? `f-${color}` : `f-${color} ${more}`;
  const given = {
    x, y: y + 4.5, class: classes, 'text-anchor': anchor === 'start' ? undefined : anchor,
  };
  return element('text', given, words(content));
}

/** A heading at the left edge of a picture or panel. */
export function heading(x: number, y: number, content: string): Mark {
  return text(x, y, content, { class: 'bold' });
}

/** A rectangle. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** How a shape is drawn: the colour of its outline, that of its fill, and how the fill is. */
export interface ShapeOptions {
  readonly outline?: Color | undefined;
  readonly fill?: Color | 'page' | 'raised' | undefined;
  /** Whether the fill is pale, so that text can be read on it. Default true for colours. */
  readonly isPale?: boolean;
  /** How opaque the fill is, from 0 to 1; with it a fill is not pale. */
  readonly opacity?: number;
  readonly radius?: number;
  /** Further classes: thin, thick, dashed. */
  readonly class?: string;
}

function shape({ outline, fill, isPale, opacity, class: more }: ShapeOptions): Attributes {
  const isGround = fill === 'page' || fill === 'raised';
  const isFull = isGround || isPale === false || opacity !== undefined;
  const classes = [
    ...(outline === undefined ? [] : ['s', `s-${outline}`]),
    ...(fill === undefined ? [] : [`${isFull ? 'f' : 'p'}-${fill}`]),
    ...(more === undefined ? [] : [more]),
  ];
  const shown = opacity === undefined ? undefined : String(Math.round(100 * opacity) / 100);
  return { class: classes.join(' '), 'fill-opacity': shown };
}

/** A box. */
export function box({ x, y, width, height }: Box, options: ShapeOptions = {}): Mark {
  return element('rect', { x, y, width, height, rx: options.radius, ...shape(options) });
}

/** A circle around a point. */
export function circle(x: number, y: number, radius: number, options: ShapeOptions = {}): Mark {
  return element('circle', { cx: x, cy: y, r: radius, ...shape(options) });
}

/** A point. */
export type Point = readonly [x: number, y: number];

/** How a line is drawn: its colour, and further classes (thin, thick, dashed). */
export interface LineOptions {
  readonly color?: Color;
  readonly class?: string;
}

/** The data of a path through points. */
function through(points: readonly Point[]): string {
  return points.map(([x, y], i) => `${i === 0 ? 'M' : 'L'}${shorten(x)} ${shorten(y)}`).join('');
}

/** A line through points. */
export function line(points: readonly Point[], options: LineOptions = {}): Mark {
  const { color = 'line', class: more } = options;
  const classes = `s s-${color}${more === undefined ? '' : ` ${more}`}`;
  return element('path', { d: through(points), class: classes });
}

/** Half the width of the head of an arrow, and its length. */
const [HEAD_WIDTH, HEAD_LENGTH] = [3.5, 8];

/** A line through points with a head at its end. */
export function arrow(points: readonly Point[], options: LineOptions = {}): Mark {
  const [[fromX, fromY], [x, y]] = [points[points.length - 2], points[points.length - 1]];
  const length = Math.sqrt((x - fromX) ** 2 + (y - fromY) ** 2);
  const [dx, dy] = [(x - fromX) / length, (y - fromY) / length];
  const [backX, backY] = [x - HEAD_LENGTH * dx, y - HEAD_LENGTH * dy];
  const corners: readonly Point[] = [
    [x, y], [backX - HEAD_WIDTH * dy, backY + HEAD_WIDTH * dx],
    [backX + HEAD_WIDTH * dy, backY - HEAD_WIDTH * dx],
  ];
  const { color = 'line' } = options;
  const shaft = [...points.slice(0, -1), [backX, backY] as const];
  const head = element('path', { d: `${through(corners)}Z`, class: `f-${color}` });
  return line(shaft, options) + head;
}

/** A curve from one point to another, which leaves and arrives going straight up or down. */
export function link([x1, y1]: Point, [x2, y2]: Point, options: LineOptions = {}): Mark {
  const { color = 'line', class: more } = options;
  const middle = shorten((y1 + y2) / 2);
  const d = `M${shorten(x1)} ${shorten(y1)}C${shorten(x1)} ${middle} ${shorten(x2)} ${middle} ` +
    `${shorten(x2)} ${shorten(y2)}`;
  return element('path', { d, class: `s s-${color}${more === undefined ? '' : ` ${more}`}` });
}

/** A number as a label: few digits, and a minus sign that is as wide as a plus. */
export function number(value: number, digits = 3): string {
  return String(Number(value.toPrecision(digits))).replace('-', '−');
}

/** The size of a picture, and what it shows: in a few words, and in a sentence or two. */
export interface PictureOptions {
  readonly width?: number;
  readonly height: number;
  readonly title: string;
  readonly description: string;
}

/** A picture as the text of an SVG file. */
export function picture(options: PictureOptions, marks: readonly Mark[]): string {
  const { width = WIDTH, title, description } = options;
  const height = Math.ceil(options.height);
  const start = {
    // On a wide screen a little larger than life, so that its text is as large as the page's.
    xmlns: 'http://www.w3.org/2000/svg', width: 1.2 * width, height: 1.2 * height,
    viewBox: `0 0 ${width} ${height}`, role: 'img',
  };
  const ground = box({ x: 0, y: 0, width, height }, { fill: 'page', radius: 8 });
  const content = [
    element('title', {}, words(title)),
    element('desc', {}, words(description)),
    element('style', {}, style as Markup), ground, ...marks,
  ];
  return `${element('svg', start, `\n${content.join('\n')}\n` as Markup)}\n`;
}
