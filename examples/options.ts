/** The command line of the examples: numbers with defaults, and a clear line if one is wrong. */
import { parseArgs } from 'node:util';

/** An option that takes a number: what it is for, its default, and the least it may be. */
export interface NumberOption {
  readonly help: string;
  readonly default: number;
  /** Default 1. */
  readonly min?: number;
  /** Whether fractions are allowed. Default false. */
  readonly fraction?: boolean;
}

/** Options by name: numbers, flags, and texts that may be left out. */
export type Values<Name extends string, Flag extends string, Text extends string> =
  Record<Name, number> & Record<Flag, boolean> & Record<Text, string | undefined>;

/** What is given on the command line, as Node reads it. */
export type Given = Readonly<Record<string, string | boolean | undefined>>;

/**
 * Reads the options of this process: numbers, flags and texts, the latter two each given by what it
 * is for. On `--help` it prints `about` and the options, and ends the process; on a mistake it says
 * which, and ends it with code 2. What is not given is as it was `before`, or has its default.
 */
export function readOptions<Name extends string, Flag extends string, Text extends string = never>(
  about: string,
  options: Readonly<Record<Name, NumberOption>>,
  flags: Readonly<Record<Flag, string>>,
  texts = {} as Readonly<Record<Text, string>>,
  before: (given: Given) => Readonly<Record<string, unknown>> = () => ({}),
): Values<Name, Flag, Text> {
  const names = Object.keys(options) as Name[];
  const flagNames = Object.keys(flags) as Flag[];
  const textNames = Object.keys(texts) as Text[];
  try {
    const { values } = parseArgs({
      options: {
        help: { type: 'boolean', short: 'h' },
        ...Object.fromEntries(flagNames.map((name) => [name, { type: 'boolean' as const }])),
        ...Object.fromEntries(
          [...names, ...textNames].map((name) => [name, { type: 'string' as const }]),
        ),
      },
    });
    if (values.help) {
      console.log(helpText(about, options, { ...flags, ...texts }));
      process.exit(0);
    }
    const given = values as Given;
    const earlier = before(given);
    const numbers = names.map((name) => [
      name, given[name] === undefined && typeof earlier[name] === 'number'
        ? earlier[name] : parseNumber(name, given[name], options[name]),
    ]);
    const switches = flagNames.map((name) => [name, (given[name] ?? earlier[name]) === true]);
    const strings = textNames.map((name) => [name, given[name] ?? earlier[name]]);
    return Object.fromEntries([...numbers, ...switches, ...strings]) as Values<Name, Flag, Text>;
  } catch (error) {
    // Node's own messages go on after the first sentence with hints about positional arguments.
    const [line] = String(error instanceof Error ? error.message : error).split(/\. |\n/);
    console.error(`${line} (--help lists the options)`);
    process.exit(2);
  }
}

function parseNumber(name: string, text: unknown, option: NumberOption): number {
  if (text === undefined) return option.default;
  const { min = 1, fraction = false } = option;
  const value = Number(text);
  const isRight = fraction ? Number.isFinite(value) : Number.isSafeInteger(value);
  if (isRight && text !== '' && value >= min) return value;
  const kind = fraction ? 'a number' : 'a whole number';
  throw new Error(`--${name} takes ${kind} from ${min}, not '${String(text)}'`);
}

function helpText(
  about: string,
  options: Readonly<Record<string, NumberOption>>,
  others: Readonly<Record<string, string>>,
): string {
  const line = (name: string, help: string): string => `  --${name.padEnd(10)} ${help}`;
  const lines = Object.entries(options).map(([name, { help, default: value }]) =>
    line(name, `${help} (${value})`),
  );
  const rest = Object.entries(others).map(([name, help]) => line(name, help));
  return [about, '', 'Options, with their defaults:', ...lines, ...rest].join('\n');
}
