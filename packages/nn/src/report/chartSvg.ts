/**
 * A chart as SVG. Its colours and fonts are classes, which the style of the page gives for light
 * and dark. Its sizes are in units of a picture of 480 by 250, which the page scales to its width.
 * On a phone letters are 16 units high, for which there is room.
 */
import { type Axis, createAxis } from './axis.ts';
import { type Chart, onlyPositive, type Series } from './charts.ts';
import { type Points, pointsToDraw, rangeOf } from './curve.ts';
import { element, join, type Markup, shorten, text } from './markup.ts';
import { count, formatNumber } from './numbers.ts';

const WIDTH = 480;
const HEIGHT = 250;
const TOP = 12;
const RIGHT = 18;
const BOTTOM = 34;
/** The width of a character at the largest size of the text. */
const CHARACTER = 9.6;
/** Curves of more points than this have no marks. */
const MOST_MARKS = 80;
/** The classes of the colours of curves; those after the last begin anew. */
export const colorOf = (number: number): string => `c${number % 10}`;

/** How a chart is drawn. */
export interface DrawOptions {
  /** The id by which its parts are named. */
  readonly id: string;
  /** Whether its values are on a logarithmic axis; values that are not positive are gaps then. */
  readonly isLog: boolean;
  /** Steps at which the run was resumed, which a line marks. */
  readonly resumedAt: readonly number[];
  /** The step of the best evaluation, which a ring marks. */
  readonly best?: number | undefined;
}

/** The place of a chart's content, and its axes. */
interface Frame {
  readonly left: number;
  readonly width: number;
  readonly height: number;
  readonly steps: Axis;
  readonly values: Axis;
}

/** A chart as an SVG element. */
export function drawChart({ title, series }: Chart, options: DrawOptions): Markup {
  const drawn = options.isLog ? series.map(onlyPositive) : series;
  const frame = frameOf(drawn, options.isLog);
  const scale = options.isLog ? 'log' : 'linear';
  const id = `${options.id}-${scale}`;
  return element(
    'svg',
    {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-labelledby': `${id}-title ${id}-desc`,
      class: scale,
      // For the pointer: where the chart lies, and the ends of its axes.
      'data-frame': [frame.left, frame.width, TOP, frame.height].join(' '),
      'data-steps': frame.steps.ends.join(' '),
      'data-values': frame.values.ends.join(' '),
    },
    element('title', { id: `${id}-title` }, text(`${title} over the steps`)),
    element('desc', { id: `${id}-desc` }, text(drawn.map(describe).join('; '))),
    ...drawAxes(frame),
    ...options.resumedAt.map((step) => resumeLine(frame, step)),
    ...drawn.map((each, i) => drawSeries(frame, each, i)),
    ...(drawn.length <= 2 ? drawn.map((each, i) => bestRing(frame, each, i, options.best)) : []),
  );
}

/** What a curve shows, in words. */
function describe({ name, points }: Series): string {
  const [least, most] = rangeOf([points.y]);
  const last = points.y.findLast(Number.isFinite) ?? NaN;
  return `${name}: ${count(points.y.length, 'value')} from ${formatNumber(least)} to ` +
    `${formatNumber(most)}, the last ${formatNumber(last)}`;
}

function frameOf(series: readonly Series[], isLog: boolean): Frame {
  const [first, last] = rangeOf(series.map(({ points }) => points.x));
  const [least, most] = rangeOf(series.map(({ points }) => points.y));
  const values = createAxis(least, most, 5, { isLog });
  const characters = Math.max(4, ...values.ticks.map(({ label }) => label.length));
  const left = Math.round(10 + CHARACTER * characters);
  const width = WIDTH - left - RIGHT;
  const steps = createAxis(first, last, 5, { isPadded: false });
  return { left, width, height: HEIGHT - TOP - BOTTOM, steps, values };
}

const xOf = ({ left, width, steps }: Frame, step: number): number =>
  left + width * steps.place(step);
const yOf = ({ height, values }: Frame, value: number): number =>
  TOP + height * (1 - values.place(value));

function drawAxes(frame: Frame): Markup[] {
  const { left, width, height, steps, values } = frame;
  const baseline = TOP + height;
  const rows = values.ticks.map(({ value, label }) => {
    const y = yOf(frame, value);
    const line = element('line', { x1: left, x2: left + width, y1: y, y2: y, class: 'grid' });
    const place = { x: left - 7, y: y + 4.5, 'text-anchor': 'end' };
    return join([line, element('text', place, text(label))]);
  });
  const columns = steps.ticks.filter(({ value }) => Number.isInteger(value)).map((tick) => {
    const x = xOf(frame, tick.value);
    const line = element('line', { x1: x, x2: x, y1: baseline, y2: baseline + 5, class: 'axis' });
    const place = { x, y: baseline + 21, 'text-anchor': 'middle' };
    return join([line, element('text', place, text(tick.label))]);
  });
  const axis = { x1: left, x2: left + width, y1: baseline, y2: baseline, class: 'axis' };
  const unit = { x: left - 16, y: baseline + 21, 'text-anchor': 'end' };
  return [
    ...rows, element('line', axis), ...columns, element('text', unit, text('step')),
  ];
}

function resumeLine(frame: Frame, step: number): Markup {
  const x = xOf(frame, step);
  return element(
    'line', { x1: x, x2: x, y1: TOP, y2: TOP + frame.height, class: 'resume' },
    element('title', {}, text(`resumed at step ${step}`)),
  );
}

function drawSeries(frame: Frame, series: Series, number: number): Markup {
  const { points, smoothed, isMarked = false } = series;
  const color = colorOf(number);
  const line = (curve: Points, name: string): Markup =>
    element('path', { d: pathOf(frame, curve), class: `${name} ${color}` });
  const marks = isMarked && points.x.length <= MOST_MARKS ? [marksOf(frame, points, color)] : [];
  if (smoothed === undefined) return join([line(points, 'line'), ...marks]);
  return join([line(points, 'raw'), line(smoothed, 'line'), ...marks]);
}

/** A curve as the data of a path; a point without neighbours is a dot. */
function pathOf(frame: Frame, points: Points): string {
  const parts = pointsToDraw(points, frame.width);
  // Where there are several points in a column, they are all drawn in the middle of it.
  const isDense = points.x.length > frame.width;
  return parts.map((part) => {
    let path = '';
    let [beforeX, beforeY] = ['', ''];
    for (const i of part) {
      const exact = xOf(frame, points.x[i]);
      const x = shorten(isDense ? Math.round(exact) : exact);
      const y = shorten(yOf(frame, points.y[i]));
      if (path === '') path = `M${x} ${y}`;
      else if (x !== beforeX) path += `L${x} ${y}`;
      else if (y !== beforeY) path += `V${y}`;
      [beforeX, beforeY] = [x, y];
    }
    return part.length === 1 ? `${path}h0` : path;
  }).join('');
}

function marksOf(frame: Frame, { x, y }: Points, color: string): Markup {
  const dots = x.flatMap((step, i) =>
    Number.isFinite(y[i]) ? [`M${shorten(xOf(frame, step))} ${shorten(yOf(frame, y[i]))}h0`] : [],
  );
  return element('path', { d: dots.join(''), class: `marks ${color}` });
}

function bestRing(
  frame: Frame, { points, isMarked = false }: Series, number: number, best: number | undefined,
): Markup {
  const i = best === undefined || !isMarked ? -1 : points.x.indexOf(best);
  if (i < 0 || !Number.isFinite(points.y[i])) return join([]);
  const [cx, cy] = [xOf(frame, points.x[i]), yOf(frame, points.y[i])];
  return element(
    'circle', { cx, cy, r: 6, class: `best ${colorOf(number)}` },
    element('title', {}, text(`best: ${formatNumber(points.y[i])} at step ${points.x[i]}`)),
  );
}
