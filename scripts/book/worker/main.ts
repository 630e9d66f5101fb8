/**
 * Runs the blocks of a page in a worker. What they import is in the same file, so nothing is
 * loaded; what they print goes to the page, with its line. A worker runs one job, and is ended by
 * the page.
 */
import { assemble, SOURCE } from './assemble.ts';
import { format } from './inspect.ts';
import type { Ended, Job } from './messages.ts';
import { Output } from './output.ts';

type Modules = Readonly<Record<string, object>>;

/** The console and the drawing of a run, by the line that calls them. */
interface Page {
  enter(line: number): void;
  print(method: string, line: number, ...values: unknown[]): void;
}

/** Waits for the job, and runs it with these modules, of all that have these names. */
export function start(given: Modules, names: readonly string[]): void {
  self.onmessage = ({ data, ports: [port] }: MessageEvent<Job>) => {
    self.onmessage = null;
    void run(data, given, names, new Output(port));
  };
}

async function run(
  job: Job, given: Modules, names: readonly string[], output: Output,
): Promise<void> {
  const begin = performance.now();
  const page = pageOf(output);
  const modules: Modules = { ...given, playground: { draw: drawOn(output) } };
  const end = (error?: Ended['error']): void => {
    const milliseconds = performance.now() - begin;
    output.say({ kind: 'end', milliseconds, ...(error && { error }) });
    output.flush();
  };
  // Deep in the packages, the stack has to reach the page.
  (Error as { stackTraceLimit?: number }).stackTraceLimit = 200;
  self.addEventListener('unhandledrejection', ({ reason }) => end(describeError(reason)));
  self.addEventListener('error', ({ error }) => end(describeError(error)));
  try {
    const { code, imports, specifiers } = assemble(job.blocks);
    checkImports(imports, specifiers, modules, [...names, 'playground']);
    const program = await compiled(code);
    const exported = await program(page, modules);
    if (job.exercise !== undefined) checkAnswer(job.exercise, exported, modules, output);
    end();
  } catch (error) {
    end(describeError(error));
  }
}

/** The module with the checks of the exercises (exercises/checks/named.ts). */
interface Checks {
  checkByName(
    name: string, module: object,
    onProgress: (progress: { readonly property: string; readonly input: string }) => void,
  ): { readonly isDone: boolean; readonly text: string };
}

function checkAnswer(name: string, answer: object, modules: Modules, output: Output): void {
  const { checkByName } = modules['exercises'] as Checks;
  const report = checkByName(name, answer, (progress) => {
    output.say({ kind: 'try', ...progress });
    // The page has to know of an input on which the code never ends.
    output.flush();
  });
  output.say({ kind: 'check', ...report });
}

function pageOf(output: Output): Page {
  let current = 0;
  const page: Page = {
    enter(line) {
      current = line;
      output.say({ kind: 'enter', line });
    },
    print(_method, line, ...values) {
      output.print(line, () => format(...values));
    },
  };
  // For what prints without being written as a call of the console: `list.forEach(console.log)`.
  for (const method of ['log', 'info', 'debug', 'warn', 'error'] as const) {
    console[method] = (...values) => page.print(method, current, ...values);
  }
  return page;
}

/** `draw('loss', 0.5)` of the module `playground`: adds a point to a curve. */
const drawOn = (output: Output) => (name: string, value: number): void => {
  if (typeof name !== 'string' || typeof value !== 'number') {
    throw new TypeError(
      `draw: expected a name and a number, got ${format(name)} and ${format(value)}`,
    );
  }
  output.draw(name, value);
};

function checkImports(
  imports: readonly { readonly from: string; readonly name: string }[],
  specifiers: readonly string[], modules: Modules, names: readonly string[],
): void {
  for (const from of specifiers) {
    if (Object.hasOwn(modules, from)) continue;
    const known = names.toSorted().join(', ');
    throw new SyntaxError(`there is no module '${from}' here, but these: ${known}`);
  }
  for (const { from, name } of imports) {
    if (name === '*' || name in modules[from]) continue;
    throw new SyntaxError(`'${from}' exports no ${name}`);
  }
}

type Program = (page: Page, modules: Modules) => Promise<object>;

/**
 * Makes a function of the code. The engine says where a mistake is only to whoever loads a file.
 */
async function compiled(code: string): Promise<Program> {
  try {
    return (0, eval)(code) as Program;
  } catch (error) {
    const line = await lineOfMistake(code);
    throw Object.assign(error instanceof Error ? error : new Error(String(error)), { line });
  }
}

/** The line at which code cannot be read: a worker that is given it as its file reports that. */
function lineOfMistake(code: string): Promise<number> {
  const address = URL.createObjectURL(new Blob([code], { type: 'text/javascript' }));
  const worker = new Worker(address);
  return new Promise<number>((resolve) => {
    worker.onerror = (event) => {
      event.preventDefault();
      resolve(event.lineno);
    };
    setTimeout(() => resolve(0), 2000);
  }).finally(() => {
    worker.terminate();
    URL.revokeObjectURL(address);
  });
}

const place = new RegExp(`${SOURCE.replace('.', '\\.')}:(\\d+)`);

/** An error as it is shown, with the line of the page that it came from. */
function describeError(error: unknown): NonNullable<Ended['error']> {
  if (!(error instanceof Error)) return { line: 0, text: `thrown: ${format(error)}` };
  const { name, message, stack = '' } = error;
  const [, fromModule] = /^line:(\d+): /.exec(message) ?? [];
  const known = (error as { line?: unknown }).line;
  const line = typeof known === 'number' ? known
    : Number(fromModule ?? place.exec(stack)?.[1] ?? 0);
  return { line, text: `${name}: ${message.replace(/^line:\d+: /, '')}` };
}
