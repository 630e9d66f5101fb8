/**
 * The report of a run as one page of HTML, which needs no other file and no network, and is
 * complete without JavaScript: key figures, charts with their numbers, confusion matrices, samples,
 * the model and the history of the run.
 */
import {
  listOf, number, readOptions, string, type Table,
} from '@mambagrad/tensor/options';
import { colorOf, drawChart, type DrawOptions } from './chartSvg.ts';
import { canBeLog, type Chart, chartsOf, isBetterLog, type Series } from './charts.ts';
import { hoverScript } from './hoverScript.ts';
import { element, type Markup, text } from './markup.ts';
import { count, formatNumber } from './numbers.ts';
import { bestOf, endOf, historyOf, keyFigures, lastField, remarksOn } from './overview.ts';
import { type Run, type RunEvent, runOf } from './run.ts';
import { style } from './style.ts';
import { evenly, heads, matrixTable, numbersTable, row, scrollable } from './tables.ts';

/** Options of `reportPage` and `report`. */
export interface ReportOptions {
  /** The title of the page. Default: of `report` the folder's name, else 'Training run'. */
  readonly title?: string | undefined;
  /**
   * How strongly noisy curves are smoothed: the distance, in points, at which a neighbour counts
   * 1/e as much as the point itself; 0 for not at all. Default a hundredth of the points.
   */
  readonly smoothing?: number | undefined;
  /** The names of the classes, for confusion matrices. Default [], their numbers. */
  readonly classes?: readonly string[] | undefined;
}

/** The options of a report with their defaults. */
export type ReportSettings = ReportOptions & {
  readonly title: string;
  readonly classes: readonly string[];
};

const reportOptions = {
  title: string.optional(),
  smoothing: number({ from: 0 }).optional(),
  classes: listOf(string).orElse([]),
} satisfies Table<ReportOptions>;

/** The most that is shown of each; the rest is left out, which the page says. */
const MOST = { charts: 60, curves: 10, samples: 12, events: 50, characters: 4000, lines: 400 };

/**
 * A page of HTML with the report of a run: its charts, evaluations, samples, model and history. The
 * run is given by its log, as text or lines, or as `parseLog` gives it. The page is a single file
 * without references to others, and stays below a megabyte for long runs, too.
 */
export function reportPage(
  log: Run | string | Iterable<string>, options: ReportOptions = {},
): string {
  const run = runOf('reportPage', log);
  return pageOf(run, readReportOptions('reportPage', options, 'Training run'));
}

/** The options with their defaults. Throws if one is unknown, or not of its kind. */
export function readReportOptions(
  op: string, given: ReportOptions, defaultTitle: string,
): ReportSettings {
  const { title = defaultTitle, ...others } = readOptions(op, given, reportOptions);
  return { title, ...others };
}

/** The page of a run. Its script is that for the pointer, unless another one is given. */
export function pageOf(run: Run, settings: ReportSettings, script?: Markup): string {
  const head = element(
    'head', {},
    element('meta', { charset: 'utf-8' }),
    element('meta', { name: 'viewport', content: 'width=device-width, initial-scale=1' }),
    element('title', {}, text(settings.title)),
    element('style', {}, style),
  );
  const last = script ?? element('script', {}, hoverScript as Markup);
  const body = element('body', {}, element('main', {}, ...contentOf(run, settings)), last);
  return `<!DOCTYPE html>\n${element('html', { lang: 'en' }, head, body)}\n`;
}

/** The sections of the page of a run. */
export function contentOf(run: Run, settings: ReportSettings): Markup[] {
  const figures = keyFigures(run).map(({ name, value, remark }) => {
    const small = remark === undefined ? [] : [element('small', {}, text(remark))];
    return element(
      'div', {}, element('dt', {}, text(name)), element('dd', {}, text(value), ...small),
    );
  });
  const remarks = [endOf(run), ...remarksOn(run)].filter((sentence) => sentence !== '');
  return [
    element('h1', {}, text(settings.title)),
    ...paragraphs(remarks),
    element('dl', {}, ...figures),
    ...chartSection(run, settings.smoothing),
    ...matrixSection(run, settings.classes),
    ...sampleSection(run),
    ...modelSection(run),
    ...historySection(run),
  ];
}

function paragraphs(sentences: readonly string[]): Markup[] {
  return sentences.map((sentence) => element('p', { class: 'muted' }, text(sentence)));
}

function chartSection(run: Run, smoothing: number | undefined): Markup[] {
  const charts = chartsOf(run, smoothing);
  if (charts.length === 0) return paragraphs(['The log has no step yet.']);
  const first = run.steps[0]?.step ?? 0;
  const begins = run.events.filter(({ event, step }) => event === 'begin' && step >= first);
  const resumedAt = [...new Set(begins.map(({ step }) => step))].slice(-MOST.events);
  const best = bestOf(run)?.evaluation.step;
  const legend = [
    ...(best === undefined ? [] : ['A ring marks the best evaluation.']),
    ...(resumedAt.length === 0 ? [] : ['Dashed lines mark where fit began again.']),
  ];
  const figures = charts.slice(0, MOST.charts).map((chart, i) =>
    chartFigure(chart, { id: `chart-${i}`, resumedAt, best }));
  const rest = charts.slice(MOST.charts).map(({ title }) => title).join(', ');
  return [
    element('h2', {}, text('Curves')),
    ...paragraphs(legend.length === 0 ? [] : [legend.join(' ')]),
    element('div', { class: 'charts' }, ...figures),
    ...paragraphs(rest === '' ? [] : [`Not shown: ${rest.slice(0, MOST.characters)}`]),
  ];
}

function chartFigure(whole: Chart, options: Omit<DrawOptions, 'isLog'>): Markup {
  const chart = { title: whole.title, series: whole.series.slice(0, MOST.curves) };
  const { title, series } = chart;
  const leftOut = whole.series.length - series.length;
  const { id } = options;
  const hasLog = canBeLog(chart);
  const toggle = [
    element('input', { type: 'checkbox', id: `${id}-scale`, checked: isBetterLog(chart) }),
    element('label', { for: `${id}-scale` }, text('log scale')),
  ];
  return element(
    'figure', {},
    element('figcaption', {}, element('h3', {}, text(title)), ...legendOf(series)),
    ...paragraphs(leftOut > 0 ? [`Not shown: ${count(leftOut, 'more curve')}.`] : []),
    ...(hasLog ? toggle : []),
    drawChart(chart, { ...options, isLog: false }),
    ...(hasLog ? [drawChart(chart, { ...options, isLog: true })] : []),
    element(
      'details', { id: `${id}-numbers` },
      element('summary', {}, text('Numbers')), scrollable(numbersTable(chart)),
    ),
  );
}

function legendOf(series: readonly Series[]): Markup[] {
  if (series.length === 1 && !series[0].smoothed && !series[0].isMarked) return [];
  return series.map(({ name, smoothed, isMarked }, i) => {
    const note = smoothed ? [element('b', {}, text(' (faint: each step)'))] : [];
    const look = `${colorOf(i)}${isMarked ? ' dots' : ''}`;
    return element('span', { class: look }, text(name), ...note);
  });
}

function matrixSection(run: Run, classes: readonly string[]): Markup[] {
  const best = bestOf(run)?.evaluation;
  const hasMatrix = best && Object.keys(best.matrices).length > 0;
  const shown = hasMatrix ? best : run.evaluations.findLast(({ matrices }) =>
    Object.keys(matrices).length > 0);
  if (!shown) return [];
  const which = `${hasMatrix ? 'the best evaluation, ' : ''}after step ${formatNumber(shown.step)}`;
  return Object.entries(shown.matrices).flatMap(([name, matrix]) => [
    element('h2', {}, text(name)),
    ...paragraphs([`Of ${which}.`]),
    scrollable(matrixTable(matrix, classes)),
  ]);
}

function sampleSection(run: Run): Markup[] {
  const samples = run.events.filter(({ event }) => event === 'sample');
  if (samples.length === 0) return [];
  const shown = evenly(samples.length, MOST.samples).map((i) => samples[i]);
  const remarks = [`${shown.length} of ${count(samples.length, 'sample')}.`];
  return [
    element('h2', {}, text('Samples')),
    ...paragraphs(shown.length < samples.length ? remarks : []),
    ...shown.flatMap(sample),
  ];
}

function sample({ step, fields }: RunEvent): Markup[] {
  const content = String(fields['text'] ?? '');
  const isLong = content.length > MOST.characters;
  const rest = isLong ? `… (${count(content.length - MOST.characters, 'character')} more)` : '';
  return [
    element('h3', { class: 'sample' }, text(`after step ${formatNumber(step)}`)),
    element('pre', { class: 'words', tabindex: 0 }, text(content.slice(0, MOST.characters) + rest)),
  ];
}

function modelSection(run: Run): Markup[] {
  const model = lastField(run, 'model');
  if (typeof model !== 'string') return [];
  const lines = model.split('\n');
  const rest = lines.length > MOST.lines ? [`… (${lines.length - MOST.lines} lines more)`] : [];
  const shown = [...lines.slice(0, MOST.lines), ...rest].join('\n');
  return [element('h2', {}, text('Model')), element('pre', { tabindex: 0 }, text(shown))];
}

function historySection(run: Run): Markup[] {
  const rows = historyOf(run, MOST.events).map(([step, sentence]) =>
    row(text(step), element('td', {}, text(sentence))),
  );
  if (rows.length === 0) return [];
  const table = element(
    'table', { class: 'words' }, heads('step', 'event'), element('tbody', {}, ...rows),
  );
  return [element('h2', {}, text('History')), scrollable(table)];
}
