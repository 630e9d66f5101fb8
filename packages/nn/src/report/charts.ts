/**
 * The charts of a run: curves over its steps, for pages and terminals alike. The loss comes first,
 * then each metric, with training and validation in one chart; then the learning rate, the norm of
 * the gradient and the speed.
 */
import { type Points, rangeOf, smooth } from './curve.ts';
import type { Numbers, Run, RunStep } from './run.ts';

/** A curve of a chart. */
export interface Series {
  /** Its name in the legend. */
  readonly name: string;
  /** Its points, over the steps. */
  readonly points: Points;
  /** The same points smoothed; undefined where they are to be seen as they are. */
  readonly smoothed?: Points | undefined;
  /** Whether each point is worth a mark, as an evaluation is. */
  readonly isMarked?: boolean;
}

/** A chart of one or more curves. */
export interface Chart {
  /** Its heading. */
  readonly title: string;
  /** Its curves, of which each has a point. */
  readonly series: readonly Series[];
}

/** The titles of the charts that are of the training itself, not of a metric. */
export const OTHER_CHARTS: readonly string[] = [
  'learning rate', 'gradient norm', 'steps per second',
];

/** Curves of fewer points are not smoothed. */
const FEWEST_TO_SMOOTH = 30;
/** By default curves are smoothed over this part of their points. */
const SMOOTHED_PART = 1 / 100;

/**
 * The charts of a run that have a point. Curves that are noisy are smoothed over `distance` points
 * (see `smooth`), by default over a hundredth of them.
 */
export function chartsOf(run: Run, distance?: number): Chart[] {
  const { steps } = run;
  const noisy = (name: string, points: Points): Series => ({
    name, points, smoothed: smoothed(points, distance),
  });
  const field = (of: (step: RunStep) => number): Points => ({
    x: steps.map(({ step }) => step), y: steps.map(of),
  });
  const [rate, norm, speed] = OTHER_CHARTS;
  const charts: Chart[] = [
    ...metricCharts(run, noisy),
    { title: rate, series: [{ name: rate, points: field(({ lr }) => lr) }] },
    { title: norm, series: [noisy(norm, field(({ gradientNorm }) => gradientNorm))] },
    { title: speed, series: [{ name: speed, points: speedOf(steps, distance) }] },
  ];
  return charts
    .map(({ title, series }) => ({ title, series: series.filter(hasPoint) }))
    .filter(({ series }) => series.length > 0);
}

/** A chart for each metric; numbers of one object or array, such as `f1.macro`, share a chart. */
function metricCharts(
  { steps, evaluations }: Run, noisy: (name: string, points: Points) => Series,
): Chart[] {
  const training = pointsByName(steps.map(({ step, metrics }) => [step, metrics]));
  const validation = pointsByName(evaluations.map(({ step, values }) => [step, values]));
  const charts = new Map<string, Series[]>();
  const add = (name: string, part: string, make: (label: string) => Series): void => {
    const dot = name.lastIndexOf('.');
    const title = dot < 0 ? name : name.slice(0, dot);
    const series = charts.get(title) ?? [];
    charts.set(title, series);
    series.push(make(dot < 0 ? part : `${part}: ${name.slice(dot + 1)}`));
  };
  for (const name of new Set(['loss', ...training.keys(), ...validation.keys()])) {
    const [trained, evaluated] = [training.get(name), validation.get(name)];
    if (trained) add(name, 'training', (label) => noisy(label, trained));
    if (evaluated) {
      add(name, 'validation', (label) => ({ name: label, points: evaluated, isMarked: true }));
    }
  }
  return Array.from(charts, ([title, series]) => ({ title, series }));
}

/** The curve of each name; steps without it have no point. */
function pointsByName(
  all: readonly (readonly [step: number, values: Numbers])[],
): Map<string, Points> {
  const found = new Map<string, { x: number[]; y: number[] }>();
  for (const [step, values] of all) {
    for (const [name, value] of Object.entries(values)) {
      const points = found.get(name) ?? { x: [], y: [] };
      if (points.x.length === 0) found.set(name, points);
      points.x.push(step);
      points.y.push(value);
    }
  }
  return found;
}

function smoothed({ x, y }: Points, distance = x.length * SMOOTHED_PART): Points | undefined {
  return x.length < FEWEST_TO_SMOOTH || distance === 0 ? undefined : { x, y: smooth(y, distance) };
}

/**
 * Steps per second: one by the smoothed time of a step. The first step after the beginning of `fit`
 * is left out, as it is compiled first.
 */
function speedOf(steps: readonly RunStep[], distance = steps.length * SMOOTHED_PART): Points {
  const times = steps.map(({ duration, seconds }) => (duration === seconds ? NaN : duration));
  const speeds = smooth(times, Math.max(1, distance)).map((time) => 1 / time);
  return { x: steps.map(({ step }) => step), y: speeds };
}

function hasPoint({ points }: Series): boolean {
  return points.y.some(Number.isFinite);
}

/** Whether a chart can also be drawn on a logarithmic axis: all its values are above 0. */
export function canBeLog({ series }: Chart): boolean {
  const [least, greatest] = rangeOf(series.map(({ points }) => points.y));
  return least > 0 && greatest > least;
}

/**
 * Whether a chart shows more on a logarithmic axis: a curve of it ends so low, as losses do, that
 * a linear axis would show the end as 0.
 */
export function isBetterLog(chart: Chart): boolean {
  const curves = chart.series.map(({ points, smoothed = points }) => smoothed.y);
  const [, greatest] = rangeOf(curves);
  const ends = curves.map((values) => values.findLast(Number.isFinite) ?? Infinity);
  return canBeLog(chart) && Math.min(...ends) < greatest / 20;
}

/** The same curve with gaps where it has no logarithm. */
export function onlyPositive(series: Series): Series {
  const of = ({ x, y }: Points): Points => ({ x, y: y.map((value) => (value > 0 ? value : NaN)) });
  const { points, smoothed } = series;
  return { ...series, points: of(points), smoothed: smoothed && of(smoothed) };
}
