/** A project of somebody who uses the packages: it installs them, compiles, and runs. */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Outcome, run, runWell } from './command.ts';
import { packageFolders, root } from './manifest.ts';
import { compilePage } from './pageModule.ts';
import type { Tool } from './tools.ts';

/**
 * A project: its folder, with sources in src, pages in src/pages, and what was compiled in dist.
 */
export interface Consumer {
  readonly folder: string;
}

/** Makes a project, and installs packages with npm or pnpm from a registry. */
export async function install(
  folder: string, installer: Tool, registry: string, packages: readonly string[],
): Promise<Consumer & Pick<Outcome, 'seconds'>> {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{ "private": true, "type": "module" }\n');
  cpSync(join(root, 'scripts/publish/programs'), join(folder, 'src'), { recursive: true });
  const isNpm = installer.name === 'npm';
  // Caches of their own: the next tarballs of this version must not find these.
  const env = {
    npm_config_registry: registry, npm_config_userconfig: join(folder, 'npmrc'),
    npm_config_cache: join(folder, '../cache'), npm_config_update_notifier: 'false',
  };
  const args = isNpm
    ? ['install', '--no-audit', '--no-fund', ...packages]
    : ['add', '--store-dir', join(folder, '../store'), ...packages];
  const [command, ...first] = installer.command;
  const { seconds } = await runWell(command, [...first, ...args], { cwd: folder, env });
  return { folder, seconds };
}

/** What a project asks of the compiler beside `strict`. */
export interface Checks {
  readonly module: 'nodenext' | 'bundler';
  readonly skipLibCheck: boolean;
}

/** Type-checks folders of a project, in the way of a strict one. */
export function typeCheck(
  { folder }: Consumer, compiler: Tool, include: readonly string[], checks: Checks,
  emit = false,
): Promise<Outcome> {
  const compilerOptions = {
    strict: true, noUncheckedIndexedAccess: true, target: 'esnext',
    types: existsSync(join(folder, 'node_modules/@types/node')) ? ['node'] : [],
    skipLibCheck: checks.skipLibCheck, moduleResolution: checks.module,
    module: checks.module === 'bundler' ? 'esnext' : 'nodenext',
    ...(emit ? { outDir: 'dist', rootDir: 'src' } : { noEmit: true }),
  };
  const config = JSON.stringify({ compilerOptions, include }, undefined, 2);
  writeFileSync(join(folder, 'tsconfig.json'), config);
  return compile(folder, compiler, []);
}

/** Type-checks the programs in the project that `tsc --init` makes, with all its checks. */
export async function typeCheckInit({ folder }: Consumer, compiler: Tool): Promise<Outcome> {
  const own = join(folder, `init-${compiler.version}`);
  mkdirSync(own, { recursive: true });
  cpSync(join(folder, 'src'), own, { recursive: true });
  const [command, ...first] = compiler.command;
  await runWell(command, [...first, '--init'], { cwd: own });
  return compile(own, compiler, ['--noEmit', '--noUncheckedIndexedAccess']);
}

function compile(cwd: string, { command }: Tool, options: readonly string[]): Promise<Outcome> {
  const [program, ...first] = command;
  return run(program, [...first, '-p', '.', '--pretty', 'false', ...options], { cwd });
}

/** Writes the code of every page of the documentation into the project, a module each. */
export function writePages({ folder }: Consumer): string[] {
  const pages = [
    'README.md', ...packageFolders().map((name) => `packages/${name}/README.md`),
    ...readdirSync(join(root, 'docs')).sort().map((name) => `docs/${name}`),
  ].filter((page) => page.endsWith('.md'));
  mkdirSync(join(folder, 'src/pages'), { recursive: true });
  writeFileSync(join(folder, 'src/pages/page.ts'), pageStub);
  return pages.filter((page) => {
    const module = compilePage(page, readFileSync(join(root, page), 'utf8'), './page.js');
    const name = page.replaceAll('/', '-').replace(/\.md$/, '.ts');
    if (module !== undefined) writeFileSync(join(folder, 'src/pages', name), module.code);
    return module !== undefined;
  });
}

/** The part of a running page that its code calls. */
const pageStub = `export declare function startPage(name: string): {
  enter(line: number): void;
  print(line: number, ...values: unknown[]): void;
};
`;

/** Trains in one process and loads in another, and gives what the model then said. */
export async function trainAndUse({ folder }: Consumer, engine: Tool): Promise<Outcome> {
  const [command, ...first] = engine.command;
  const place = { cwd: folder };
  const trained = await run(command, [...first, 'dist/train.js'], place);
  if (trained.code !== 0) return trained;
  const used = await run(command, [...first, 'dist/use.js'], place);
  const seconds = trained.seconds + used.seconds;
  if (used.code !== 0 || used.output === trained.output) return { ...used, seconds };
  const output = `after loading the model says ${used.output}, before ${trained.output}`;
  return { code: 1, output, seconds };
}
