/**
 * The key figures of a run: how far it is, how it ended, how good it is, and its history.
 */
import { count, formatNumber, formatSeconds } from './numbers.ts';
import type { Run, RunEvaluation, RunEvent } from './run.ts';

/** A figure of the overview: a name, a value, and a remark on it. */
export interface KeyFigure {
  readonly name: string;
  readonly value: string;
  readonly remark?: string;
}

/** The best evaluation of a run. */
export interface Best {
  /** The name of the metric by which it is the best. */
  readonly metric: string;
  /** The evaluation. */
  readonly evaluation: RunEvaluation;
}

/**
 * The best evaluation; undefined if there is none. The metric that judges, and its direction, are
 * those that the trainer logs when `fit` ends or resumes; else the lowest loss is the best.
 */
export function bestOf({ evaluations, events }: Run): Best | undefined {
  const records = events.map(({ fields }) => fieldsOf(fields['best']));
  const { metric: name, direction } = records.findLast(({ metric }) => metric !== undefined) ?? {};
  const metric = typeof name === 'string' ? name : 'loss';
  const sign = direction === 'max' ? -1 : 1;
  const costOf = ({ values }: RunEvaluation): number => sign * (values[metric] ?? NaN);
  const [best] = evaluations
    .filter((each) => Number.isFinite(costOf(each)))
    .sort((a, b) => costOf(a) - costOf(b));
  return best && { metric, evaluation: best };
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

/** The key figures of a run, those that its log has. */
export function keyFigures(run: Run): KeyFigure[] {
  const { steps, evaluations } = run;
  const [last, evaluated, best] = [steps.at(-1), evaluations.at(-1), bestOf(run)];
  const figures: (KeyFigure | undefined)[] = [
    {
      name: 'steps', value: formatNumber(last?.step ?? 0),
      ...(last && Number.isFinite(last.epoch) && { remark: `${formatNumber(last.epoch)} epochs` }),
    },
    last && {
      name: 'training loss', value: formatNumber(last.metrics['loss'] ?? NaN), remark: 'last step',
    },
    evaluated && {
      name: 'validation loss', value: formatNumber(evaluated.values['loss'] ?? NaN),
      remark: `after step ${formatNumber(evaluated.step)}`,
    },
    ...otherMetrics(evaluated),
    best && {
      name: `best validation ${best.metric}`,
      value: formatNumber(best.evaluation.values[best.metric] ?? NaN),
      remark: `after step ${formatNumber(best.evaluation.step)}`,
    },
    last && timeFigure(run),
    parameterFigure(run),
  ];
  return figures.filter((figure) => figure !== undefined);
}

/** The metrics of an evaluation besides the loss, at most a few. */
function otherMetrics(evaluation: RunEvaluation | undefined): KeyFigure[] {
  return Object.entries(evaluation?.values ?? {})
    .filter(([name]) => name !== 'loss' && !name.includes('.'))
    .slice(0, 4)
    .map(([name, value]) => ({ name: `validation ${name}`, value: formatNumber(value) }));
}

function timeFigure({ steps }: Run): KeyFigure {
  const seconds = steps.reduce((sum, { duration }) => sum + (duration >= 0 ? duration : 0), 0);
  const speed = steps.length / seconds;
  const remark = `${formatNumber(Number(speed.toPrecision(3)))} steps/s`;
  return {
    name: 'time', value: formatSeconds(seconds), ...(Number.isFinite(speed) && { remark }),
  };
}

function parameterFigure(run: Run): KeyFigure | undefined {
  const parameters = lastField(run, 'parameters');
  if (typeof parameters !== 'number') return undefined;
  return { name: 'parameters', value: formatNumber(parameters) };
}

/** A field of the events, as the last of them that has it gives it. */
export function lastField({ events }: Run, name: string): unknown {
  return events.findLast(({ fields }) => fields[name] !== undefined)?.fields[name];
}

const REASONS: Readonly<Record<string, string>> = {
  done: 'all steps were taken',
  patience: 'validation got no better (patience)',
  stopped: 'it was stopped',
};

/** Why the run ended, as a sentence. */
export function endOf(run: Run): string {
  const last = run.events.findLast(({ event }) => event === 'begin' || event === 'end');
  if (last?.event === 'end') return `Ended: ${reasonOf(last)}.`;
  return last ? 'The log has no end: the run goes on, or was killed.' : '';
}

function reasonOf({ fields }: RunEvent): string {
  const { reason, message } = fields;
  if (typeof message === 'string') return `an error, ${message}`;
  const name = String(reason);
  return Object.hasOwn(REASONS, name) ? REASONS[name] : name;
}

/** The log's own troubles, as sentences: broken lines, and steps that were taken twice. */
export function remarksOn({ brokenLines, replacedSteps }: Run): string[] {
  const shown = brokenLines.slice(0, 5).join(', ') + (brokenLines.length > 5 ? ', …' : '');
  return [
    replacedSteps > 0 &&
      `Left out: ${count(replacedSteps, 'logged step')}, taken again or abandoned after a resume.`,
    brokenLines.length > 0 &&
      `Left out: ${count(brokenLines.length, 'line')} of the log that cannot be read (${shown}).`,
  ].filter((remark) => remark !== false);
}

/** A row of the history: at which step, and an event as a sentence. */
export type HistoryRow = readonly [step: string, sentence: string];

/** Events but for samples, which are shown elsewhere; of many, the last `most`. */
export function historyOf({ events }: Run, most: number): HistoryRow[] {
  const shown = events.filter(({ event }) => event !== 'sample');
  const rows = shown.slice(-most).map((event): HistoryRow =>
    [formatNumber(event.step), sentence(event)]);
  const leftOut = shown.length - rows.length;
  return leftOut === 0 ? rows : [['…', `${count(leftOut, 'earlier event')}`], ...rows];
}

function sentence(event: RunEvent): string {
  const { steps, epochs, source } = event.fields;
  switch (event.event) {
    case 'begin': {
      const unit = typeof epochs === 'number' ? 'epoch' : 'step';
      const end = typeof epochs === 'number' ? epochs : steps;
      return `fit began${typeof end === 'number' ? `, until ${unit} ${formatNumber(end)}` : ''}`;
    }
    case 'resume':
      return typeof source === 'string' ? `resumed from ${source}` : 'resumed from a checkpoint';
    case 'end':
      return `ended: ${reasonOf(event)}`;
    default:
      return event.event;
  }
}
