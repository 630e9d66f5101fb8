/**
 * All packages as one file, for pages of tests: it loads several times as fast as their modules do.
 * Beside what `mambagrad/browser` exports it has the programs of test/browser/programs, and what
 * tests need of the insides. It is made once for all tests of a process.
 */
import { moduleWith, packageEntries, root } from '#bundle';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { programs } from './engines.ts';

const shared = globalThis as { mambagradBundled?: string };

/** The file, which pages and workers import under any address. */
export function bundledModule(): string {
  const entries = packageEntries();
  const files =
    ['@mambagrad/tensor/host', '@mambagrad/wasm'].map((name) => entries.get(name) ?? name);
  const heap = join(root, 'packages/tensor/dist/compile/memory/heap.js');
  shared.mambagradBundled ??= moduleWith([...files, heap, join(programs, 'programs.js')]);
  return shared.mambagradBundled;
}

/**
 * Contents for the server: the file as /bundled.js, and /worker.js, a module worker that runs the
 * programs it is asked for.
 */
export function bundledPages(): Record<string, string> {
  const worker = readFileSync(join(programs, 'worker.js'), 'utf8');
  return {
    '/bundled.js': bundledModule(), '/worker.js': worker.replace('./programs.js', '/bundled.js'),
  };
}
