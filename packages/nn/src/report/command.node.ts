/**
 * The command line of the package `mambagrad`, for runs in folders:
 *
 *     npx mambagrad report runs/digits          writes runs/digits/report.html
 *     npx mambagrad plot runs/digits            draws the curves in the terminal
 */
import { messageOf } from '@mambagrad/tensor/host';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { loadRun } from './logFile.node.ts';
import { plot } from './plot.ts';
import { report } from './report.node.ts';

const HELP = `mambagrad: looks at training runs that runFolder keeps

  mambagrad report FOLDER   writes FOLDER/report.html, and prints its path
    --title TEXT            the title of the page (the folder's name)
    --classes A,B,…         names of classes, for confusion matrices
    --smoothing N           smooth curves over N points (a hundredth of them)

  mambagrad plot FOLDER     draws the loss and metrics in the terminal
    --charts A,B,…          other charts: 'learning rate', 'gradient norm', 'steps per second'
    --width N, --height N   the size in characters (the terminal's width, 14 rows)
    --log, --no-log         a logarithmic axis, or none (where a curve ends near 0)
    --smoothing N           as above`;

const options = {
  help: { type: 'boolean', short: 'h' },
  title: { type: 'string' },
  classes: { type: 'string' },
  smoothing: { type: 'string' },
  charts: { type: 'string' },
  width: { type: 'string' },
  height: { type: 'string' },
  log: { type: 'boolean' },
} as const;

/** The result of a command: its text, and the exit code of the process. */
export interface CommandResult {
  /** For standard output, or for standard error if the code is not 0. */
  readonly text: string;
  /** 0, or 1 if the command failed, or 2 if it was not understood. */
  readonly code: number;
}

/** Runs the command `mambagrad` with these arguments, such as `['report', 'runs/digits']`. */
export function runCommand(args: readonly string[]): CommandResult {
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse(args);
  } catch (error) {
    return { text: `${messageOf(error)}\n\n${HELP}`, code: 2 };
  }
  const { values, positionals: [name, folder, ...others] } = parsed;
  if (values.help) return { text: HELP, code: 0 };
  const command = name === 'report' ? reportCommand : name === 'plot' ? plotCommand : undefined;
  if (!command || folder === undefined || others.length > 0) {
    const problem = whatIsWrong(name, command !== undefined, folder, others);
    return { text: `${problem}\n\n${HELP}`, code: 2 };
  }
  try {
    return { text: command(folder, values), code: 0 };
  } catch (error) {
    return { text: messageOf(error), code: 1 };
  }
}

/** Why a command cannot be run, in a line. */
function whatIsWrong(
  given: string | undefined, isKnown: boolean, folder: string | undefined,
  others: readonly string[],
): string {
  if (given === undefined) return 'mambagrad: which command? Expected report or plot';
  if (!isKnown) return `mambagrad: there is no command '${given}', expected report or plot`;
  if (folder === undefined) return `${given}: the folder of the run is missing`;
  return `${given}: '${others.join(' ')}' is too much, expected one folder`;
}

function parse(args: readonly string[]) {
  return parseArgs({ args: [...args], options, allowPositionals: true, allowNegative: true });
}

type Values = ReturnType<typeof parse>['values'];

function reportCommand(folder: string, { title, classes, smoothing }: Values): string {
  return report(folder, {
    title, classes: classes?.split(','), smoothing: numberOf(smoothing),
  });
}

function plotCommand(folder: string, values: Values): string {
  const { charts, width, height, log, smoothing } = values;
  return plot(loadRun('plot', folder), {
    charts: charts?.split(','), log, height: numberOf(height), smoothing: numberOf(smoothing),
    width: numberOf(width) ?? Math.max(process.stdout.columns ?? 80, 20),
  });
}

/** A number that was given as text; NaN, which options refuse, if it is none. */
function numberOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : text.trim() === '' ? NaN : Number(text);
}
