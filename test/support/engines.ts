/**
 * The programs of test/browser/programs on engines outside of browsers: Node, and Bun and Deno
 * where they are on the path. They are compiled: `npm test` does so.
 */
import { execFile, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** A program by its name, with its options. */
export type Call = readonly [name: string, options?: object];

/** The folder of the compiled programs. */
export const programs: string =
  fileURLToPath(new URL('../browser/programs/dist/', import.meta.url));

/** How each engine is called. */
const commands = {
  Node: [process.execPath],
  Bun: ['bun'],
  Deno: ['deno', 'run', '--allow-all', '--quiet'],
} as const;

export type Engine = keyof typeof commands;

/** Whether an engine is on the path. */
export function hasEngine(engine: Engine): boolean {
  return spawnSync(commands[engine][0], ['--version']).status === 0;
}

/** Runs programs in a process of an engine, and gives their results. */
export function runOn<Results extends readonly unknown[]>(
  engine: Engine, calls: readonly Call[],
): Promise<Results> {
  const [command, ...first] = commands[engine];
  const args = [...first, `${programs}run.js`, JSON.stringify(calls)];
  return new Promise((resolve, reject) => {
    execFile(command, args, { maxBuffer: 2 ** 26 }, (error, output, errors) => {
      if (error !== null) reject(new Error(`${engine}: ${errors || error.message}`));
      else resolve(JSON.parse(output) as Results);
    });
  });
}
