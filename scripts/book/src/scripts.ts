/**
 * The scripts of the pages. They are written as modules (`site/`), and put into one classic script
 * each, because a page that was opened as a file may not load modules.
 */
import { createHash } from 'node:crypto';
import { readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path/posix';
import { Bundler, prelude } from '../../bundle/bundle.ts';
import { packageEntries } from '../../bundle/packages.ts';
import { root } from './files.ts';

/** A script that runs a file of `site/`, and all that it imports. */
export function siteScript(name: string): string {
  const bundler = new Bundler({ root, find: () => undefined, keepsFunctions: false });
  const code = bundler.add([join(root, 'dist/book/site', `${name}.js`)]);
  return `(() => {\n${prelude}${code}})();\n`;
}

const compiled = (path: string): string => join(root, 'dist/book', path);

/** What stands in for modules of Node, by file. */
const standIns: Readonly<Record<string, string>> = {
  'node:fs': 'fs', 'node:path': 'path', 'node:crypto': 'crypto', 'node:os': 'system',
  'node:process': 'system', 'node:buffer': 'system', 'node:util': 'system', 'node:zlib': 'system',
};

/** The script that an entry is in: what a page does not import is not loaded. */
function partOf(name: string): string {
  const [, extra] = /\/(node|testing|browser|extend)$/.exec(name) ?? [];
  if (extra !== undefined) return extra;
  return /^mambagrad\b|\/(?:nn|mamba)$/.test(name) ? 'models' : 'packages';
}

/**
 * The scripts with the code of the worker, by name. They put it down as text, since the page makes
 * a file in memory of it: a worker cannot be loaded from a file on the disk.
 */
export function workerScripts(): Map<string, string> {
  return new Map([...workerCode()].map(([name, code], i) => {
    const page = () => JSON.stringify(frameDocument());
    const frame = i === 0 ? `globalThis.mambagradFrame = ${page()};\n` : '';
    const put = `(globalThis.mambagradCode ??= {})['${name}'] = ${JSON.stringify(code)};\n`;
    return [name, frame + put];
  }));
}

let codeOfWorker: Map<string, string> | undefined;

/** The code of the worker, in parts: the first is always needed. */
export function workerCode(): Map<string, string> {
  return codeOfWorker ??= bundleWorker();
}

function bundleWorker(): Map<string, string> {
  const entries = packageEntries();
  const files = new Map([
    ...entries,
    ...Object.entries(standIns).map(([name, file]) =>
      [name, compiled(`worker/node/${file}.js`)] as const),
    ['fast-check', fileOf('fast-check')] as const,
    ['exercises', join(root, 'exercises/dist/checks/named.js')] as const,
  ]);
  const find = (specifier: string): string | undefined => {
    if (specifier.startsWith('#')) return ownFile(specifier);
    return files.get(specifier) ??
      (specifier.startsWith('pure-rand/') ? fileOf(specifier) : undefined);
  };
  const bundler = new Bundler({ root, find, keepsFunctions: false });
  const [main, drawing] = [compiled('worker/main.js'), compiled('worker/pieces.js')];
  const entriesOf = (part: string): string[] =>
    [...entries.keys()].filter((name) => partOf(name) === part);
  // The checks of the exercises are not for the code of readers.
  const known = [...files.keys()].filter((name) => name !== 'exercises');
  const given: Readonly<Record<string, readonly string[]>> = {
    packages: entriesOf('packages'),
    models: entriesOf('models'),
    node: [...Object.keys(standIns), ...entriesOf('node')],
    browser: entriesOf('browser'),
    extend: entriesOf('extend'),
    // What draws the pictures that can be changed: no entries, but a worker.
    drawing: [],
    'fast-check': ['fast-check'],
    testing: entriesOf('testing'),
    exercises: ['exercises'],
  };
  return new Map(Object.entries(given).map(([script, names]) => {
    const [isFirst, isDrawing] = [script === 'packages', script === 'drawing'];
    const own = names.map((name) => [name, files.get(name) ?? ''] as const);
    const more = [...(isFirst ? [main] : []), ...(isDrawing ? [drawing] : [])];
    const code = bundler.add([...own.map(([, file]) => file), ...more]);
    const named = own.map(([name, file]) => `entries['${name}'] = ${bundler.expression(file)};\n`);
    const start = bundler.exportsOf(main).get('start');
    const text = [
      isFirst ? `${prelude}const entries = {};\n` : '', code, ...named,
      isFirst ? `const start = () => ${start}(entries, ${JSON.stringify(known)});\n` : '',
      isDrawing ? `const servePieces = ${bundler.exportsOf(drawing).get('servePieces')};\n` : '',
    ].join('');
    return [script, text];
  }));
}

/** The hints of each exercise, by its name: what the code of the worker says. */
export function hintsOf(): Map<string, readonly string[]> {
  const parts = ['packages', 'extend', 'fast-check', 'exercises'];
  const code = parts.map((name) => workerCode().get(name));
  const run = new Function(`${code.join('')}return entries.exercises.hints;`);
  return new Map(Object.entries(run() as Record<string, readonly string[]>));
}

/** The compiled file that has a name in this repository, such as `#markup`. */
function ownFile(name: string): string {
  const { imports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    imports: Record<string, { default: string }>;
  };
  return join(root, imports[name].default);
}

/** The file of a package that is installed, or of a part of one. */
function fileOf(specifier: string): string {
  const [name] = specifier.split('/');
  const near = dirname(realpathSync(join(root, 'node_modules/fast-check')));
  const folder = join(near, name);
  const { exports } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
    exports: Record<string, { import: string | { default: string } }>;
  };
  const entry = exports[specifier.replace(name, '.')].import;
  return join(folder, typeof entry === 'string' ? entry : entry.default);
}

/** The document in which code runs: it may load nothing, and start workers from memory. */
export function frameDocument(): string {
  const script = siteScript('frame');
  return `<!doctype html><meta http-equiv="Content-Security-Policy" content="default-src 'none'; ` +
    `script-src 'unsafe-eval' 'wasm-unsafe-eval' blob: ${hashOf(script)}; worker-src blob:">` +
    `<script>${script}</script>`;
}

let hash: string | undefined;

/** The source expression of a policy that allows the script of the frame, and no other. */
export function frameHash(): string {
  return hash ??= hashOf(siteScript('frame'));
}

function hashOf(script: string): string {
  return `'sha256-${createHash('sha256').update(script).digest('base64')}'`;
}
