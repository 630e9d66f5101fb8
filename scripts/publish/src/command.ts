/** Runs other programs, and keeps what they print. */
import { spawn } from 'node:child_process';

/** How a program ended. */
export interface Outcome {
  /** Its exit code; undefined if it was ended by a signal. */
  readonly code: number | undefined;
  /** What it printed, errors too. */
  readonly output: string;
  readonly seconds: number;
}

/** Where and with which variables a program runs. */
export interface Place {
  readonly cwd: string;
  /** Variables beside those of this process. Default none. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs a program to its end. Throws if it cannot be started. */
export function run(command: string, args: readonly string[], place: Place): Promise<Outcome> {
  const start = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd: place.cwd,
      env: { ...process.env, ...place.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      // On Windows npm and its like are scripts.
      shell: process.platform === 'win32',
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => { output += text; });
    }
    child.on('error', reject);
    child.on('close', (code) => {
      const seconds = (performance.now() - start) / 1000;
      resolve({ code: code ?? undefined, output, seconds });
    });
  });
}

/** Runs a program, and gives what it printed; throws an error that shows it if it failed. */
export async function runWell(
  command: string, args: readonly string[], place: Place,
): Promise<Outcome> {
  const outcome = await run(command, args, place);
  if (outcome.code === 0) return outcome;
  const call = [command, ...args].join(' ');
  throw new Error(`${call} ended with ${outcome.code ?? 'a signal'}:\n${outcome.output.trim()}`);
}
