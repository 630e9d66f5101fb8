/**
 * Everything that is tried on the tarballs, a row of the table each: installing, type-checking,
 * training and loading, bundling. What fails does not end it, and what is missing is named.
 */
import { cpSync, mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { NO_CHROMIUM, startChromium } from '../../chromium/src/index.ts';
import { bundleAndOpen, openWithImportMap } from './chromium.ts';
import { type Outcome, run, runWell } from './command.ts';
import {
  type Consumer, install, trainAndUse, typeCheck, typeCheckInit, writePages,
} from './consumer.ts';
import { root } from './manifest.ts';
import { packFolders, type Tarball } from './pack.ts';
import { serve } from './registry.ts';
import { Table } from './table.ts';
import {
  bundlers, compilers, engines, find, installers, type Search, type Tool, type Wanted,
} from './tools.ts';

export interface ConsumeOptions {
  /** Whether to fetch tools that are missing. */
  readonly fetch: boolean;
  /** Where these are kept. */
  readonly tools: string;
  /** Where the projects are made. */
  readonly folder: string;
  /** The package managers to try, by name; all if there are none. */
  readonly installers: readonly string[];
  /** Paths of engines. */
  readonly engines: Readonly<Record<string, readonly string[]>>;
}

/** What the programs need beside the packages; it is there, as the workspace needs it, too. */
const others = ['fast-check', '@types/node'];

/** Serves tarballs and what the programs need beside them, without any network. */
export async function serveWithOthers(tarballs: readonly Tarball[], folder: string) {
  mkdirSync(folder, { recursive: true });
  const folders = others.flatMap((name) => {
    const own = realpathSync(join(root, 'node_modules', name));
    const beside = { 'fast-check': 'pure-rand', '@types/node': 'undici-types' }[name] ?? '';
    return [own, realpathSync(join(dirname(own), name.startsWith('@') ? '..' : '', beside))];
  });
  const copies = folders.map((from, i) => copyInstalled(from, join(folder, String(i))));
  return serve([...tarballs, ...await packFolders(copies, folder)]);
}

/** Copies a package that is installed, without what its authors need: npm would act on that. */
function copyInstalled(from: string, to: string): string {
  const filter = (path: string) => basename(path) !== 'node_modules';
  cpSync(from, to, { recursive: true, filter });
  const path = join(to, 'package.json');
  const manifest = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
  for (const key of ['scripts', 'devDependencies', 'devEngines', 'packageManager', 'files']) {
    delete manifest[key];
  }
  writeFileSync(path, JSON.stringify(manifest));
  return to;
}

/** Tries everything, prints the table, and gives the number of failures. */
export async function consume(
  tarballs: readonly Tarball[], options: ConsumeOptions,
): Promise<number> {
  const table = new Table();
  const search: Search = { folder: options.tools, fetch: options.fetch };
  const registry = await serveWithOthers(tarballs, join(options.folder, 'others'));
  try {
    const run = new Consuming(table, search, registry.url, options);
    await run.all();
  } finally {
    registry.close();
  }
  table.print();
  return table.failures;
}

/** The steps of `consume`. */
class Consuming {
  readonly #table: Table;
  readonly #search: Search;
  readonly #registry: string;
  readonly #options: ConsumeOptions;

  constructor(table: Table, search: Search, registry: string, options: ConsumeOptions) {
    this.#table = table;
    this.#search = search;
    this.#registry = registry;
    this.#options = options;
  }

  async all(): Promise<void> {
    const compilersFound = await this.#found(compilers(), 'type-check');
    const own = compilersFound.at(-1);
    const enginesFound = await this.#found(engines(this.#options.engines), 'train, save, load');
    const chosen = this.#options.installers;
    const tried = installers().filter(({ name }) => chosen.length === 0 || chosen.includes(name));
    for (const installer of await this.#found(tried, 'install')) {
      const consumer = await this.#install(installer);
      if (consumer === undefined || own === undefined) continue;
      const isNpm = installer.name === 'npm';
      for (const compiler of isNpm ? compilersFound : [own]) await this.#check(consumer, compiler);
      if (isNpm) await this.#checkPages(consumer, compilersFound);
      const checks = { module: 'nodenext', skipLibCheck: true } as const;
      const build = () => typeCheck(consumer, own, ['src/*.ts'], checks, true);
      await this.#table.row('compile', label(own), installer.name, build);
      for (const engine of enginesFound) {
        await this.#table.row('train, save, load', label(engine), installer.name,
          () => trainAndUse(consumer, engine), true);
      }
      const node = { name: 'Node', version: process.versions.node, command: [process.execPath] };
      await this.#table.row('fast-check, own op', label(node), installer.name,
        () => run(process.execPath, ['dist/testing.js'], { cwd: consumer.folder }));
      await this.#table.row('one file, no bundler', label(node), installer.name,
        () => run(process.execPath, ['dist/browser.js'], { cwd: consumer.folder }));
      if (isNpm) await this.#bundle(consumer);
      if (isNpm) await this.#open(consumer);
      if (isNpm) await this.#parts(installer);
    }
  }

  /** The tools that are there; the others are rows of the table. */
  async #found(wanted: readonly Wanted[], what: string): Promise<Tool[]> {
    const found: Tool[] = [];
    for (const each of wanted) {
      try {
        const tool = await find(each, this.#search);
        if (tool !== undefined) found.push(tool);
        else this.#table.leaveOut(what, each.name, 'not found; --fetch gets it');
      } catch (error) {
        const reason = String(error).split('\n').find((line) => /error/i.test(line)) ?? '';
        this.#table.leaveOut(what, each.name, `could not be fetched: ${reason.slice(0, 80)}`);
      }
    }
    return found;
  }

  async #install(installer: Tool): Promise<Consumer | undefined> {
    const folder = join(this.#options.folder, installer.name);
    let consumer: Consumer | undefined;
    await this.#table.row('install mambagrad', label(installer), '', async () => {
      const made = await install(folder, installer, this.#registry, ['mambagrad', ...others]);
      consumer = made;
      return { code: 0, output: '', seconds: made.seconds };
    });
    return consumer;
  }

  async #check(consumer: Consumer, compiler: Tool): Promise<void> {
    const init = () => typeCheckInit(consumer, compiler);
    await this.#table.row('type-check', label(compiler), 'as tsc --init sets it', init);
    for (const module of ['nodenext', 'bundler'] as const) {
      for (const skipLibCheck of [true, false]) {
        const how = `${module}${skipLibCheck ? '' : ', skipLibCheck: false'}`;
        await this.#table.row('type-check', label(compiler), how,
          () => typeCheck(consumer, compiler, ['src/*.ts'], { module, skipLibCheck }));
      }
    }
  }

  async #checkPages(consumer: Consumer, found: readonly Tool[]): Promise<void> {
    const pages = writePages(consumer);
    for (const compiler of found) {
      const checks = { module: 'nodenext', skipLibCheck: true } as const;
      await this.#table.row('type-check', label(compiler), `${pages.length} pages of docs`,
        () => typeCheck(consumer, compiler, ['src/pages'], checks));
    }
  }

  async #bundle({ folder }: Consumer): Promise<void> {
    const arguments_: Record<string, readonly string[]> = {
      Vite: [
        'build', '--logLevel', 'warn', '--minify', 'true', '--outDir', 'vite', '--ssr',
        'dist/bundle.js',
      ],
      esbuild: [
        'dist/bundle.js', '--bundle', '--minify', '--format=esm', '--outfile=esbuild/bundle.js',
      ],
    };
    for (const bundler of await this.#found(bundlers(), 'bundle and run')) {
      await this.#table.row('bundle and run', label(bundler), 'npm', async () => {
        const [command, ...first] = bundler.command;
        const options = arguments_[bundler.name] ?? [];
        const built = await run(command, [...first, ...options], { cwd: folder });
        if (built.code !== 0) return built;
        const file = join(bundler.name.toLowerCase(), 'bundle.js');
        const ran = await run(process.execPath, [file], { cwd: folder });
        return { ...ran, seconds: built.seconds + ran.seconds };
      }, true);
    }
  }

  /**
   * In Chromium, if there is one: what bundlers make, in a page and its worker, and the one file.
   */
  async #open(consumer: Consumer): Promise<void> {
    const what = 'train in a browser';
    const browser = await startChromium();
    if (browser === undefined) return this.#table.leaveOut(what, 'Chromium', NO_CHROMIUM);
    try {
      const by = `Chromium ${(await browser.version()).chromium}`;
      for (const bundler of await this.#found(bundlers(), 'bundle for a browser')) {
        await this.#table.row(what, by, `${label(bundler)}, page and worker`,
          () => bundleAndOpen(consumer, bundler, browser), true);
      }
      await this.#table.row(what, by, 'one file, import map',
        () => openWithImportMap(consumer, browser), true);
    } finally {
      await browser.close();
    }
  }

  /** Each part by itself, which brings what it depends on. */
  async #parts(installer: Tool): Promise<void> {
    for (const part of ['wasm', 'kernel', 'tensor', 'nn', 'mamba']) {
      const name = `@mambagrad/${part}`;
      await this.#table.row(`install ${name}`, label(installer), 'by itself', async () => {
        const folder = join(this.#options.folder, `npm-${part}`);
        const { seconds } = await install(folder, installer, this.#registry, [name]);
        const code = `import('${name}').then((all) => console.log(Object.keys(all).length))`;
        const ran: Outcome = await runWell(process.execPath, ['-e', code], { cwd: folder });
        return { ...ran, seconds };
      });
    }
  }
}

function label({ name, version }: Pick<Tool, 'name' | 'version'>): string {
  return `${name.replace(/ [\d.]+$/, '')} ${version}`;
}
