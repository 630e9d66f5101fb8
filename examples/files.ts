/** Where the examples find their data, and how they end if something is wrong. */
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
/** This folder. The compiled programs are one deeper. */
export const examples = basename(here) === 'dist' ? dirname(here) : here;
/** The folder of the repository. */
export const root = dirname(examples);

/** The path of a file in examples/data. */
export function dataFile(name: string): string {
  return join(examples, 'data', name);
}

/** Says what is wrong and ends the process, as a wrong option does. */
export function fail(message: string): never {
  console.error(message);
  process.exit(2);
}

/** What `make` gives, or the end of the process with the reason why it gives nothing. */
export function orFail<T>(make: () => T, what = ''): T {
  try {
    return make();
  } catch (error) {
    return fail(what + (error instanceof Error ? error.message : String(error)));
  }
}
