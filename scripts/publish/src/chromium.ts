/** Pages of a project in Chromium: what bundlers made for browsers, and what needs no bundler. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Browser, serve } from '../../chromium/src/index.ts';
import { type Outcome, run } from './command.ts';
import type { Consumer } from './consumer.ts';
import type { Tool } from './tools.ts';

/** A page that a project serves. */
interface Served {
  /** The folder, below that of the project. */
  readonly folder: string;
  /** How many programs of the page print what the model says: itself, and its workers. */
  readonly programs: number;
}

/** It trains, and so does a worker of it. Both print what the model says. */
const program = `import './dist/bundle.js';
new Worker(new URL('./dist/bundle.js', import.meta.url), { type: 'module' });
`;

const start = '<!doctype html><html lang="en"><meta charset="utf-8"><title>A project</title>';

/** Bundles the page of a project, opens it, and gives what the page and its worker print. */
export async function bundleAndOpen(
  { folder }: Consumer, bundler: Tool, browser: Browser,
): Promise<Outcome> {
  writeFileSync(join(folder, 'page.js'), program);
  const built = bundler.name === 'Vite'
    ? await bundleWithVite(folder, bundler) : await bundleWithEsbuild(folder, bundler);
  if (built.code !== 0) return built;
  const opened = await open(browser, folder, { folder: `${bundler.name}-page`, programs: 2 });
  return { ...opened, seconds: built.seconds + opened.seconds };
}

function bundleWithVite(folder: string, { command: [command, ...first] }: Tool): Promise<Outcome> {
  writeFileSync(
    join(folder, 'index.html'), `${start}<script type="module" src="/page.js"></script>`,
  );
  const options = ['--logLevel', 'warn', '--base', './', '--outDir', 'Vite-page'];
  return run(command, [...first, 'build', ...options], { cwd: folder });
}

/** esbuild leaves the address of a worker as it is, so the worker is bundled beside the page. */
function bundleWithEsbuild(
  folder: string, { command: [command, ...first] }: Tool,
): Promise<Outcome> {
  const target = join(folder, 'esbuild-page');
  mkdirSync(target, { recursive: true });
  writeFileSync(
    join(target, 'index.html'), `${start}<script type="module" src="page.js"></script>`,
  );
  const options = ['--bundle', '--minify', '--format=esm', `--outdir=${target}`];
  return run(command, [...first, 'page.js', 'dist/bundle.js', ...options], { cwd: folder });
}

/** Opens a page that names the one file of `mambagrad/browser` in an import map. */
export function openWithImportMap({ folder }: Consumer, browser: Browser): Promise<Outcome> {
  const imports = { mambagrad: '/project/node_modules/mambagrad/dist/browser.js' };
  const html = `${start}<script type="importmap">${JSON.stringify({ imports })}</script>` +
    '<script type="module" src="dist/bundle.js"></script>';
  writeFileSync(join(folder, 'index.html'), html);
  return open(browser, folder, { folder: '', programs: 1 });
}

/** How long a page may take to train, in milliseconds. */
const TIMEOUT = 60_000;

/** Opens a page of a project; it fails unless each program prints one line, and all the same. */
async function open(browser: Browser, folder: string, served: Served): Promise<Outcome> {
  const start = performance.now();
  const server = await serve({ folders: { project: folder } });
  try {
    const page = await browser.open(`${server.url}${join('project', served.folder, 'index.html')}`);
    const isDone = (): boolean => page.errors.length > 0 || page.messages.length >= served.programs;
    while (!isDone() && performance.now() - start < TIMEOUT) await sleep(20);
    await page.close();
    const lines = page.messages.map(({ text }) => text);
    const isRight = page.errors.length === 0 && lines.length === served.programs &&
      new Set(lines).size === 1;
    const seconds = (performance.now() - start) / 1000;
    return { code: isRight ? 0 : 1, output: isRight ? lines[0] : lines.join('\n'), seconds };
  } finally {
    await server.close();
  }
}
