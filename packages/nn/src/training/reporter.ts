/**
 * The reports of a training run: lines of JSON in the log, and the line of progress on a terminal.
 *
 *     {"event":"begin","step":0,"epochs":2,"model":"…","parameters":49,"seconds":0}
 *     {"step":1,"epoch":0.2,"lr":0.02,"gradientNorm":1.3,"metrics":{"loss":0.9},"seconds":0.1}
 *     {"event":"end","step":10,"epoch":2,"reason":"done","seconds":0.4}
 *
 * A run that was killed and resumed from a checkpoint repeats the steps since that one, so steps
 * can occur twice in a log; the later line counts.
 */
import type { Module } from '../modules/module.ts';
import { summary } from '../modules/summary.ts';
import type { LivePage } from '../report/live.ts';
import type { BestRecord } from './bestModel.ts';
import type { Target } from './fitOptions.ts';
import { numbersIn } from './judging.ts';
import { Progress } from './progress.ts';
import type { StepRecord, TrainerSettings } from './trainerOptions.ts';
import type { Evaluated } from './validationOptions.ts';

type Options = Pick<TrainerSettings<unknown>, 'host' | 'log' | 'now'>;

/** How far a run is. */
export interface Point {
  readonly step: number;
  /** Undefined if the data has no epochs. */
  readonly epoch: number | undefined;
  /** The best evaluation so far. */
  readonly best: BestRecord | undefined;
}

/** Reports the steps of one call of `fit`. */
export class Reporter {
  readonly #options: Options;
  readonly #target: Target;
  readonly #progress: Progress | undefined;
  readonly #live: Pick<LivePage, 'add'> | undefined;
  readonly #startedAt: number;
  /** The loss and the metrics of the last validation, as they are shown until the next. */
  #validation: { readonly validation?: string } = {};

  /**
   * `total` is the number of steps at which `fit` ends, as far as it is known. The page `live`
   * gets the lines of the log.
   */
  constructor(options: Options, target: Target, total: number, live: LivePage | undefined) {
    const { host, now } = options;
    this.#options = options;
    this.#target = target;
    this.#live = live;
    this.#progress = host && new Progress({ total, output: host.stdout, now });
    this.#startedAt = now();
  }

  /** Logs that `fit` begins. */
  begin({ step, epoch }: Point, model: Module): void {
    const size = { model: summary(model), parameters: model.parameterCount() };
    this.#log({ event: 'begin', step, epoch, ...this.#target, ...size });
  }

  /** Logs and shows that the run continues from a checkpoint. */
  resume({ step, epoch, best }: Point, source: string | undefined): void {
    this.#log({ event: 'resume', step, epoch, source, best });
    const from = source === undefined ? '' : ` from ${source}`;
    const at = epoch === undefined ? '' : `, epoch ${epoch.toFixed(2)}`;
    this.#say(`Resumed${from}: step ${step}${at}${best ? `, best ${describeBest(best)}` : ''}`);
  }

  /** Shows that the model has its best values. */
  tellBest({ best }: Point): void {
    if (best) this.#say(`The model is the best one: ${describeBest(best)}`);
  }

  /** Shows that there was no checkpoint to continue from. */
  noResume(): void {
    this.#say('There is no checkpoint to resume from: this is a new run');
  }

  /** Logs and shows a step. */
  report(record: StepRecord): void {
    const { step, epoch, metrics, validation } = record;
    this.#log(record);
    if (validation) this.#validation = { validation: describeValidation(validation, metrics) };
    const of = 'epochs' in this.#target ? `/${this.#target.epochs}` : '';
    const shown = epoch === undefined ? {} : { epoch: `${epoch.toFixed(2)}${of}` };
    this.#progress?.update(step, { ...shown, ...metrics, ...this.#validation });
  }

  /** Logs and shows a sample that was made after a step. */
  sample(step: number, text: string): void {
    this.#log({ event: 'sample', step, text });
    this.#say(`Sample after step ${step}:\n${text}`);
  }

  /** Leaves the line of progress as it is, and starts a new one. */
  endProgress(): void {
    this.#progress?.end();
  }

  /** Logs that `fit` ends, and why; in case of an error with its message. */
  end({ step, epoch, best }: Point, reason: string, message?: string): void {
    this.#log({ event: 'end', step, epoch, reason, message, best });
  }

  #log(line: object): void {
    if (!this.#options.log && !this.#live) return;
    const seconds = (this.#options.now() - this.#startedAt) / 1000;
    const text = `${JSON.stringify({ ...line, seconds })}\n`;
    this.#options.log?.write(text);
    this.#live?.add(text);
  }

  #say(text: string): void {
    this.endProgress();
    this.#options.host?.stdout.write(`${text}\n`);
  }
}

/**
 * An evaluation in words: 0.123, accuracy 0.984. It has the numbers that training has not, with
 * their paths, such as f1.macro.
 */
function describeValidation(found: Evaluated, trained: StepRecord['metrics']): string {
  const all = numbersIn(found).filter(([name]) => !(name in trained));
  const shown = all.map(([name, value]) => `${name} ${value.toPrecision(3)}`);
  return [found.loss.toPrecision(3), ...shown].join(', ');
}

/** A best evaluation in words: accuracy 0.984 after step 300. */
function describeBest({ metric, value, step }: BestRecord): string {
  return `${metric} ${value.toPrecision(3)} after step ${step}`;
}
