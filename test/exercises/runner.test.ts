/**
 * `npm run exercise`, as readers meet it: right and wrong answers, code that does not compile,
 * load or end, hints, and exit codes. The runner has to be compiled: `npm test` does so.
 */
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import {
  compileFolder, type Problems, problemsIn, textOfProblems,
} from '../../exercises/runner/compile.ts';
import { nextHint } from '../../exercises/runner/hints.ts';
import { exercises } from '../../exercises/checks/exercises.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = join(root, 'test/generated/exercises');
const original = (name: string): string =>
  readFileSync(join(root, 'exercises', `${name}.ts`), 'utf8');

/** The file with another body of its first function. */
const withBody = (name: string, body: string): string =>
  original(name).replace(/^ {2}throw new Error\('\w+ is not written yet'\);/m, body);

const write = (name: string, text: string): void =>
  writeFileSync(join(folder, `${name}.ts`), text);

/** Runs the command on the folder, in a process of its own, which compiles the folder. */
async function runProcess(
  ...args: readonly string[]
): Promise<{ code: number | null; output: string }> {
  const main = join(root, 'exercises/dist/runner/main.js');
  const { npm_config_hint: _, ...env } = process.env;
  const child = spawn(process.execPath, [main, ...args, '--folder', folder], { cwd: root, env });
  let output = '';
  child.stdout.on('data', (text) => (output += String(text)));
  child.stderr.on('data', (text) => (output += String(text)));
  const code = await new Promise<number | null>((resolve) => void child.on('close', resolve));
  return { code, output };
}

type Runner = typeof import('../../exercises/runner/command.ts');
let runner: Runner;
/** What the compiler says of the folder, which is compiled once. */
let problems: Problems;

/** Runs the command on the folder as the process does, but in this one. */
async function run(...args: readonly string[]): Promise<{ code: number; output: string }> {
  const printed: string[] = [];
  const given = { print: (text: string) => printed.push(`${text}\n`), compile: () => problems };
  const code = await runner.runCommand([...args, '--folder', folder], given)
    .catch((error: unknown) => {
      printed.push(String(error));
      return 2;
    });
  return { code, output: printed.join('') };
}

beforeAll(async () => {
  // Compiled, as it starts a worker from the file beside it.
  const file = join(root, 'exercises/dist/runner/command.js');
  runner = await import(/* @vite-ignore */ pathToFileURL(file).href) as Runner;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const settings = readFileSync(join(root, 'exercises/tsconfig.json'), 'utf8');
  writeFileSync(join(folder, 'tsconfig.json'), settings.replaceAll('"../', '"../../../'));
  for (const { name } of exercises) write(name, original(name));
  cpSync(join(root, 'exercises/solutions/combine.ts'), join(folder, 'combine.ts'));
  write('backward', withBody('backward', '  const [a] = node.inputs;\n  a.grad += node.grad;'));
  write('scan', withBody('scan', '  for (;;);'));
  write('fusion', withBody('fusion', '  return group.size;'));
  write('liveness', `${original('liveness')}\nthrow new Error('a line too many');\n`);
  problems = compileFolder(folder);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('a solved exercise is done, with exit code 0', async () => {
  const { code, output } = await runProcess('combine');
  expect(output).toContain('  ✓ combine is associative: brackets make no difference\n');
  expect(output).toMatch(/All 6 properties hold\. Done\.\n$/);
  expect(code).toBe(0);
});

it('a wrong one is told the property, the input, what was expected and given', async () => {
  const { code, output } = await run('backward');
  expect(output).toContain(`
  ✗ add passes its gradient on to both inputs

      The smallest input on which it fails:
        node: add of a = 1 and b = 1, with node.grad = 1

      expected  { a.grad: 1, b.grad: 1 }
      given     { a.grad: 1, b.grad: 0 }
`);
  expect(output).toContain('For a hint: npm run exercise backward -- --hint');
  expect(code).toBe(1);
});

it('an endless loop is stopped, and its input told', async () => {
  const { code, output } = await run('scan', '--seconds', '1');
  expect(output).toMatch(/took more than 1 s\. Does a loop never end/);
  expect(output).toMatch(/It was trying: one step writes .*\n +on\n +u = /);
  expect(code).toBe(1);
});

it('a list says how far each is, whatever is wrong with some', async () => {
  const { code, output } = await run('--seconds', '2');
  const statuses = [...output.matchAll(/^ {2}\d {2}(\w+) .* {2,3}(\S.*)$/gm)]
    .map(([, name, status]) => `${name}: ${status.split(/ {2,}/).at(-1)}`);
  expect(statuses).toEqual([
    'backward: 0 of 9 properties hold', 'op: open', 'combine: done', 'chunks: open',
    'scan: does not run to its end', 'fusion: does not compile',
    'liveness: does not run to its end', 'microkernel: open',
  ]);
  expect(output).toContain('1 of 8 are done.');
  expect(code).toBe(0);
});

it('an error that is thrown when the file is loaded is told', async () => {
  const { code, output } = await run('liveness');
  expect(output).toMatch(/when it is loaded:\n\n +Error: a line too many/);
  expect(code).toBe(1);
});

it.each([
  [['nothing'], /there is no exercise 'nothing', expected one of backward, op, /],
  [['--hint'], /--hint: for which exercise\?/],
  [['scan', '--hint', '7'], /--hint 7: there are 3 hints for scan/],
  [['scan', 'op'], /'op' is one argument too many/],
])('%j is refused with exit code 2', async (args, message) => {
  const { code, output } = await run(...args);
  expect(output).toMatch(message);
  expect(code).toBe(2);
});

it('mistakes end the process with their exit codes', async () => {
  const [failed, refused] = await Promise.all([runProcess('fusion'), runProcess('nothing')]);
  expect(failed.output).toMatch(
    /fusion\.ts does not compile yet:\n\n {2}line \d+: {2}return group/,
  );
  expect(failed.code).toBe(1);
  expect(refused.output).toMatch(/^there is no exercise 'nothing', expected one of backward, op, /);
  expect(refused.code).toBe(2);
});

it('hints come one after the other, and each by its number', () => {
  const file = join(folder, 'cache/hints.json');
  const scan = exercises.find(({ name }) => name === 'scan');
  if (scan === undefined) throw new Error('there is no exercise scan');
  const first = (hint: string): string => hint.split('\n')[0];
  const given = Array.from({ length: 4 }, () => nextHint(scan, file));
  expect(given.map(first)).toEqual([1, 2, 3, 3].map((n) => `Hint ${n} of 3 for scan:`));
  expect(given[0]).toMatch(/Copy the initial state first[^]*Ask again/);
  expect(given[2]).toContain('the last one. A solution is in exercises/solutions/scan.ts');
  expect(first(nextHint(scan, file, 1))).toBe('Hint 1 of 3 for scan:');
  expect(first(nextHint(scan, file))).toBe('Hint 2 of 3 for scan:');
});

it('what the compiler finds is told by file and line', () => {
  const problems = problemsIn([
    'exercises/fusion.ts(47,3): error TS2339: There is no size.',
    'exercises/op.ts(1,1): error TS1005: ; expected.',
    'exercises/op.ts(1,9): error TS1005: ; expected.',
  ].join('\n'), folder);
  expect([...problems.keys()]).toEqual(['fusion', 'op']);
  expect(problems.get('op')).toHaveLength(1);
  const lines = readFileSync(join(folder, 'fusion.ts'), 'utf8').split('\n');
  expect(textOfProblems('fusion.ts', problems.get('fusion') ?? [])).toBe(
    `fusion.ts does not compile yet:\n\n  line 47:  ${lines[46].trim()}\n      There is no size.`,
  );
  const many = Array.from({ length: 5 }, (_, line) => ({ line, message: 'm', text: 't' }));
  expect(textOfProblems('op.ts', many)).toMatch(/ {2}and 2 more$/);
});
