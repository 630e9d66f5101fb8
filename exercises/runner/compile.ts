/**
 * Compiles the reader's files. All of them are compiled together, but a mistake in one does not
 * matter to the others: problems are told by file, and JavaScript is written all the same.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join } from 'node:path';

/** What the compiler has to say about a line of a file. */
export interface Problem {
  readonly line: number;
  readonly message: string;
  /** The text of the line. */
  readonly text: string;
}

/** The problems of each file of a folder, by its name without `.ts`. */
export type Problems = ReadonlyMap<string, readonly Problem[]>;

/** Compiles the project in a folder to its `dist`. */
export function compileFolder(folder: string): Problems {
  const compiler = createRequire(import.meta.url).resolve('typescript/package.json');
  const tsc = join(compiler, '../bin/tsc');
  const { stdout } = spawnSync(
    process.execPath, [tsc, '-p', folder, '--pretty', 'false'], { encoding: 'utf8' },
  );
  return problemsIn(stdout, folder);
}

/** The problems in what the compiler prints: `scan.ts(3,5): error TS2304: Cannot find …`. */
export function problemsIn(output: string, folder: string): Problems {
  const problems = new Map<string, Problem[]>();
  const pattern = /^(.+)\((\d+),\d+\): error TS\d+: (.+)$/gm;
  for (const [, path, line, message] of output.matchAll(pattern)) {
    const name = basename(path, '.ts');
    const file = join(folder, `${name}.ts`);
    const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n') : [];
    const problem = { line: Number(line), message, text: (lines[Number(line) - 1] ?? '').trim() };
    const before = problems.get(name) ?? [];
    if (!before.some((each) => each.line === problem.line && each.message === message)) {
      problems.set(name, [...before, problem]);
    }
  }
  return problems;
}

/** Problems as text for the reader. */
export function textOfProblems(file: string, problems: readonly Problem[]): string {
  const shown = problems.slice(0, 3).map(({ line, message, text }) => (
    `  line ${line}:  ${text}\n      ${message}`
  ));
  const rest = problems.length > 3 ? [`  and ${problems.length - 3} more`] : [];
  return [`${file} does not compile yet:`, '', ...shown, ...rest].join('\n');
}
