/**
 * `npm run exercise`: its arguments, what it prints, and its exit code, in one function, so that
 * tests can call it.
 */
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { Exercise } from '../checks/check.ts';
import { exercises } from '../checks/exercises.ts';
import { textOf } from '../checks/report.ts';
import { compileFolder, type Problems, textOfProblems } from './compile.ts';
import { nextHint } from './hints.ts';
import { type Outcome, runCheck } from './run.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));

/** The command line. */
interface Command {
  readonly name: string | undefined;
  /** Whether a hint is asked for, and which. */
  readonly hint: boolean;
  readonly number: number | undefined;
  readonly folder: string;
  readonly seconds: number;
}

const HELP = `\
npm run exercise                     lists the exercises, and how far each is
npm run exercise NAME                checks exercises/NAME.ts
npm run exercise NAME -- --hint      gives a hint, and each time one more
npm run exercise NAME -- --hint 2    gives the second hint

  --folder PATH   where your files are (exercises), with a tsconfig.json
  --seconds N     how long your code may take for one input (10)`;

/** What a command has around it. */
export interface Surroundings {
  /** Called with each text that is printed. */
  readonly print: (text: string) => void;
  /** Compiles the files of a folder. */
  readonly compile: typeof compileFolder;
}

/**
 * Runs the command with these arguments, and gives its exit code: 0 if all properties of an
 * exercise hold, 1 if not. Throws if the arguments are not right.
 */
export async function runCommand(
  args: readonly string[],
  { print = console.log, compile = compileFolder }: Partial<Surroundings> = {},
): Promise<0 | 1> {
  const command = readCommand(args);
  if (command === undefined) {
    print(HELP);
    return 0;
  }
  const { name, hint, number } = command;
  const exercise = exercises.find((each) => each.name === name);
  if (exercise === undefined) return listAll(command, { print, compile });
  if (!hint) return checkOne(exercise, command, { print, compile });
  const file = join(root, 'node_modules/.cache/mambagrad/hints.json');
  print(nextHint(exercise, file, number));
  return 0;
}

/** Reads the arguments; throws if they are not right. */
function readCommand(args: readonly string[]): Command | undefined {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: {
      help: { type: 'boolean' }, hint: { type: 'boolean' },
      folder: { type: 'string', default: join(root, 'exercises') },
      seconds: { type: 'string', default: '10' },
    },
    allowPositionals: true,
  });
  if (values.help) return undefined;
  const [name, given, ...others] = positionals;
  // Without `--` before it, npm takes `--hint` for an option of its own, and tells us so.
  const hint = values.hint === true || process.env['npm_config_hint'] === 'true';
  const known = exercises.map((exercise) => exercise.name);
  if (name !== undefined && !known.includes(name)) {
    throw new Error(`there is no exercise '${name}', expected one of ${known.join(', ')}`);
  }
  if (hint && name === undefined) {
    throw new Error(`--hint: for which exercise? Name one of ${known.join(', ')}`);
  }
  const [extra] = hint ? others : positionals.slice(1);
  if (extra !== undefined) {
    throw new Error(`'${extra}' is one argument too many (--help lists what there is)`);
  }
  const number = given === undefined ? undefined : wholeNumber('--hint', given);
  const seconds = wholeNumber('--seconds', values.seconds);
  return { name, hint, number, folder: resolve(values.folder), seconds };
}

function wholeNumber(option: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new Error(`${option} takes a whole number from 1, not '${text}'`);
}

/** Checks one exercise and prints the report. */
async function checkOne(
  exercise: Exercise<never>, { folder, seconds }: Command, { print, compile }: Surroundings,
): Promise<0 | 1> {
  const file = relative(process.cwd(), join(folder, `${exercise.name}.ts`));
  const problems = compile(folder).get(exercise.name);
  if (problems) {
    print(textOfProblems(file, problems));
    return 1;
  }
  const outcome = await runCheck(folder, exercise.name, seconds);
  print('report' in outcome
    ? textOf(exercise, outcome.report)
    : `${exercise.title}\n\n${indented(outcome.problem)}`);
  if ('report' in outcome && outcome.report.status === 'done') return 0;
  print(`\nYour file is ${file}. For a hint: npm run exercise ${exercise.name} -- --hint`);
  return 1;
}

function indented(text: string): string {
  return text.replaceAll(/^(?=.)/gm, '  ');
}

/** Prints a line for each exercise: what it is, and how far it is. */
async function listAll(
  { folder, seconds }: Command, { print, compile }: Surroundings,
): Promise<0> {
  const problems = compile(folder);
  print('The exercises, in the order of the course:\n');
  let done = 0;
  for (const [i, exercise] of exercises.entries()) {
    const status = await statusOf(exercise, problems, folder, seconds);
    if (status === 'done') done += 1;
    print(`  ${i + 1}  ${exercise.name.padEnd(12)} ${exercise.title.padEnd(42)} ${status}`);
  }
  print(`\n${done} of ${exercises.length} are done. \`npm run exercise NAME\` checks one.`);
  return 0;
}

async function statusOf(
  { name, properties }: Exercise<never>, problems: Problems, folder: string, seconds: number,
): Promise<string> {
  if (problems.has(name)) return 'does not compile';
  const outcome: Outcome = await runCheck(folder, name, seconds);
  if (!('report' in outcome)) return 'does not run to its end';
  const { status, passed } = outcome.report;
  if (status === 'done' || (status === 'open' && passed.length === 0)) return status;
  return `${passed.length} of ${properties.length} properties hold`;
}
