/**
 * Tables of a report: the numbers behind a chart, and matrices such as a confusion matrix, whose
 * cells are the darker the larger their share of the row.
 */
import type { Chart } from './charts.ts';
import { extremesOf, indexOf } from './curve.ts';
import { element, join, type Markup, text } from './markup.ts';
import { formatNumber } from './numbers.ts';

/** A table of a chart has about this many rows, evenly spaced. */
const ROWS = 25;
/** Larger matrices are not shown. */
const MOST_CLASSES = 64;

/** `most` numbers below `length` that are evenly spaced, with the first and the last. */
export function evenly(length: number, most: number): number[] {
  if (length <= most) return Array.from({ length }, (_, i) => i);
  return Array.from({ length: most }, (_, i) => Math.round((i * (length - 1)) / (most - 1)));
}

/** A row of cells, of which the first is the head of the row. */
export function row(first: Markup, ...others: readonly Markup[]): Markup {
  return element('tr', {}, element('th', { scope: 'row' }, first), ...others);
}

/** Heads of columns. */
export function heads(...names: readonly string[]): Markup {
  const cells = names.map((name) => element('th', { scope: 'col' }, text(name)));
  return element('thead', {}, element('tr', {}, ...cells));
}

/**
 * The numbers of a chart at some steps: evenly spaced ones of each curve, and those with its least
 * and greatest value.
 */
export function numbersTable({ series }: Chart): Markup {
  const steps = new Set(series.flatMap(({ points: { x, y } }) =>
    [...evenly(x.length, ROWS), ...extremesOf(y)].map((i) => x[i]),
  ));
  const rows = [...steps].sort((a, b) => a - b).map((step) => {
    const cells = series.map(({ points: { x, y } }) => {
      const i = indexOf(x, step);
      return element('td', {}, text(x[i] === step ? formatNumber(y[i]) : ''));
    });
    return row(text(formatNumber(step)), ...cells);
  });
  return element(
    'table', {},
    heads('step', ...series.map(({ name }) => name)), element('tbody', {}, ...rows),
  );
}

/** A matrix with a row for each true class, and a column for each predicted one. */
export function matrixTable(
  matrix: readonly (readonly number[])[], classes: readonly string[],
): Markup {
  if (matrix.length > MOST_CLASSES) {
    return element('p', {}, text(`${formatNumber(matrix.length)} classes are too many to show.`));
  }
  const nameOf = (i: number): string => classes[i] ?? String(i);
  const rows = matrix.map((values, i) => {
    const total = values.reduce((sum, value) => sum + value, 0);
    const cells = values.map((value, j) => matrixCell(value, total, i === j));
    return row(text(nameOf(i)), ...cells);
  });
  return element(
    'table', { class: 'matrix' },
    heads('true ↓ predicted →', ...matrix[0].map((_, j) => nameOf(j))),
    element('tbody', {}, ...rows),
  );
}

function matrixCell(value: number, total: number, isRight: boolean): Markup {
  const share = total > 0 ? Math.min(Math.max(value / total, 0), 1) : 0;
  const color = `var(--${isRight ? 'c0' : 'c1'})`;
  // Up to 60 %, so that the text is read on it in light and dark; the root shows small shares, too.
  const strength = Math.round(60 * Math.sqrt(share));
  const style = `background: color-mix(in srgb, ${color} ${strength}%, transparent)`;
  const title = `${Math.round(100 * share)} % of the row`;
  return element('td', { style, title }, text(value === 0 ? '·' : formatNumber(value)));
}

/** Tables that are wider than the page can be scrolled, by keyboard, too. */
export function scrollable(...content: readonly Markup[]): Markup {
  return element('div', { class: 'scroll', tabindex: 0 }, join(content));
}
