/**
 * A training run, read from its log. The log is a text of JSON lines, to which each call of `fit`
 * appends:
 *
 *     {"event":"begin","step":0,"model":"…","parameters":1217}
 *     {"step":1,"lr":0.01,"gradientNorm":0.8,"metrics":{"loss":2.3},"seconds":0.1}
 *     {"step":2,"lr":0.01,"gradientNorm":0.7,"metrics":{"loss":2.1},"validation":{"loss":2.2},…}
 *
 * A process that dies has often logged steps after its last checkpoint. The next one resumes from
 * that checkpoint and takes these steps again, so the log holds them twice: the earlier lines
 * belong to a branch that was abandoned, and are left out. The process may also die within a line,
 * so lines that are not JSON are left out as well, and counted.
 */
import { checkArgument, Kind, string, whole } from '@mambagrad/tensor/options';

/** Numbers by name; NaN where the log has none. */
export type Numbers = Readonly<Record<string, number>>;

/** A step of a run. */
export interface RunStep {
  /** The number of the step, from 1. */
  readonly step: number;
  /** The epochs of training so far; NaN if the data has none. */
  readonly epoch: number;
  /** The seconds since `fit` began, which a resumed run counts anew. */
  readonly seconds: number;
  /** The seconds since the step before, or since `fit` began. */
  readonly duration: number;
  /** The learning rate. */
  readonly lr: number;
  /** The norm of the gradient, before it was clipped. */
  readonly gradientNorm: number;
  /** The results of the loss function. */
  readonly metrics: Numbers;
}

/** An evaluation of the validation data during a run. */
export interface RunEvaluation {
  /** The step that it followed. */
  readonly step: number;
  /** The loss and the metrics that are numbers; those of an object by `name.key`. */
  readonly values: Numbers;
  /** The metrics that are matrices, such as a confusion matrix. */
  readonly matrices: Readonly<Record<string, readonly (readonly number[])[]>>;
}

/** Anything else that was logged: the beginning of `fit`, its end, a sample. */
export interface RunEvent {
  /** Its kind: 'begin', 'resume', 'sample', 'end', or another. */
  readonly event: string;
  /** The number of steps taken when it happened. */
  readonly step: number;
  /** The fields of its line. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A training run, as `parseLog` reads it from its log. */
export interface Run {
  /** The steps in order, without those of branches that were abandoned. */
  readonly steps: readonly RunStep[];
  /** The evaluations in order, likewise. */
  readonly evaluations: readonly RunEvaluation[];
  /** The events in the order of the log; samples of abandoned branches are left out. */
  readonly events: readonly RunEvent[];
  /** The number of logged steps that were taken again later, or abandoned. */
  readonly replacedSteps: number;
  /** The numbers, from 1, of lines that are neither a step nor an event. */
  readonly brokenLines: readonly number[];
}

const logs = new Kind<string | Iterable<string>>(
  'the text of a log, or its lines',
  (x) => typeof x === 'string' || (typeof x === 'object' && x !== null && Symbol.iterator in x),
);

const steps = whole();

/**
 * Reads the log of a training run, which is given as its text or as its lines. Where steps were
 * taken twice, as after a resume, the later ones count. Lines that are broken or of another kind
 * are left out, and their numbers listed.
 */
export function parseLog(log: string | Iterable<string>): Run {
  checkArgument('parseLog', 'log', log, logs);
  const parser = new LogParser();
  for (const line of typeof log === 'string' ? log.split('\n') : log) {
    checkArgument('parseLog', 'a line of log', line, string);
    parser.add(line);
  }
  return parser.run();
}

const runs = new Kind<Run | string | Iterable<string>>(
  'a run, the text of a log, or its lines',
  (x) => typeof x === 'string' || (typeof x === 'object' && x !== null &&
    (Symbol.iterator in x || 'steps' in x)),
);

/** A run as it is, or as `parseLog` reads it from a log; `op` is the function that was given it. */
export function runOf(op: string, log: Run | string | Iterable<string>): Run {
  checkArgument(op, 'log', log, runs);
  return typeof log === 'object' && 'steps' in log ? log : parseLog(log);
}

type Fields = Readonly<Record<string, unknown>>;

/** Makes a run of the lines of a log that it is given one by one. */
export class LogParser {
  readonly #steps: RunStep[] = [];
  readonly #evaluations: RunEvaluation[] = [];
  readonly #brokenLines: number[] = [];
  #events: RunEvent[] = [];
  #replacedSteps = 0;
  #lines = 0;
  /** The seconds of the step before since `fit` began. */
  #seconds = 0;

  /** Adds a line, with or without its line break. An empty line is skipped. */
  add(line: string): void {
    this.#lines++;
    if (line.trim() === '') return;
    const fields = parseFields(line);
    const { event } = fields;
    const step = steps.accepts(fields['step']) ? Number(fields['step']) : undefined;
    if (typeof event === 'string') this.#addEvent(event, step ?? this.#last, fields);
    else if (step !== undefined) this.#addStep(step, fields);
    else this.#brokenLines.push(this.#lines);
  }

  /** The run so far. It shares its arrays with this object: later lines are added to them. */
  run(): Run {
    return {
      steps: this.#steps, evaluations: this.#evaluations, events: this.#events,
      replacedSteps: this.#replacedSteps, brokenLines: this.#brokenLines,
    };
  }

  get #last(): number {
    return this.#steps.at(-1)?.step ?? 0;
  }

  #addStep(step: number, fields: Fields): void {
    // The step is taken again: whatever followed the one before belongs to another branch.
    if (step <= this.#last) this.#returnTo(step - 1);
    const seconds = numberOf(fields['seconds']);
    this.#steps.push({
      step,
      epoch: numberOf(fields['epoch']),
      seconds,
      duration: seconds - (seconds < this.#seconds ? 0 : this.#seconds),
      lr: numberOf(fields['lr']),
      gradientNorm: numberOf(fields['gradientNorm']),
      metrics: numbersIn(fields['metrics']),
    });
    if (Number.isFinite(seconds)) this.#seconds = seconds;
    const { validation } = fields;
    if (validation === undefined || validation === null) return;
    this.#evaluations.push({
      step, values: numbersIn(validation), matrices: matricesIn(validation),
    });
  }

  #addEvent(event: string, step: number, fields: Fields): void {
    if (event === 'begin' || event === 'resume') this.#returnTo(step);
    this.#events.push({ event, step, fields });
  }

  /** Leaves out what came after a step: `fit` has begun again there. */
  #returnTo(step: number): void {
    this.#seconds = 0;
    if (step >= this.#last) return;
    const isLater = (each: { readonly step: number }): boolean => each.step > step;
    this.#replacedSteps += removeLast(this.#steps, isLater);
    removeLast(this.#evaluations, isLater);
    this.#events = this.#events.filter((each) => each.event !== 'sample' || !isLater(each));
  }
}

/** Removes elements from the end of an array as long as a condition holds; gives their number. */
function removeLast<T>(array: T[], condition: (element: T) => boolean): number {
  const count = array.length - 1 - array.findLastIndex((element) => !condition(element));
  array.length -= count;
  return count;
}

/** The fields of a line of JSON; none if it is anything but an object. */
function parseFields(line: string): Fields {
  try {
    return fieldsOf(JSON.parse(line));
  } catch {
    return {};
  }
}

function fieldsOf(value: unknown): Fields {
  return typeof value === 'object' && value !== null ? (value as Fields) : {};
}

/** A number as JSON holds it: NaN and infinities are null there. */
function numberOf(value: unknown): number {
  return typeof value === 'number' ? value : NaN;
}

/** The numbers in a tree, by their path. */
function numbersIn(tree: unknown): Numbers {
  const found: [string, number][] = [];
  addNumbers(tree, '', found);
  return Object.fromEntries(found);
}

function addNumbers(tree: unknown, prefix: string, found: [string, number][]): void {
  for (const [key, value] of Object.entries(fieldsOf(tree))) {
    if (typeof value === 'number' || value === null) found.push([prefix + key, numberOf(value)]);
    else if (matrixOf(value) === undefined) addNumbers(value, `${prefix}${key}.`, found);
  }
}

function matricesIn(tree: unknown): RunEvaluation['matrices'] {
  const found = Object.entries(fieldsOf(tree)).flatMap(([name, value]) => {
    const matrix = matrixOf(value);
    return matrix ? [[name, matrix] as const] : [];
  });
  return Object.fromEntries(found);
}

/** A value as a matrix, if it is rows of numbers, all of one length. */
function matrixOf(value: unknown): readonly (readonly number[])[] | undefined {
  if (!Array.isArray(value) || value.length === 0 || !value.every(Array.isArray)) return undefined;
  const rows = value.map((row: readonly unknown[]) => row.map(numberOf));
  return rows.every(({ length }) => length === rows[0].length && length > 0) ? rows : undefined;
}
