/**
 * The programs that consumers use: engines, package managers, compilers and bundlers. One is found
 * by an option (`--node PATH`), in the environment (`CONSUMERS_NODE`), on the path, or in the
 * folder of tools, into which `--fetch` installs what is missing from the registry of npm.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { run, runWell } from './command.ts';
import { root } from './manifest.ts';

/** A program, and how it is called. */
export interface Tool {
  readonly name: string;
  readonly version: string;
  readonly command: readonly [string, ...string[]];
}

/** A tool that is wanted: where it may be, and which package has it. */
export interface Wanted {
  /** As the table shows it: `Node 24`. */
  readonly name: string;
  /** The start of the version that it must have. */
  readonly version: string;
  /** Commands to try first: paths that were given, and names on the path. */
  readonly commands: readonly (readonly [string, ...string[]])[];
  /** The package with its version, and the program in it. */
  readonly package: string;
  readonly program: string;
  /** Arguments before those of a call. Default none. */
  readonly args?: readonly string[];
}

/** Where tools are looked for. */
export interface Search {
  /** The folder into which tools are fetched. */
  readonly folder: string;
  /** Whether to fetch what is missing. */
  readonly fetch: boolean;
}

/** The tool, or undefined if it is not there. */
export async function find(wanted: Wanted, search: Search): Promise<Tool | undefined> {
  for (const command of wanted.commands) {
    const tool = await tryTool(wanted, command);
    if (tool !== undefined) return tool;
  }
  const folder = join(search.folder, wanted.name.toLowerCase().replaceAll(/[^a-z0-9.]/g, ''));
  const program = join(folder, 'node_modules', wanted.program);
  if (!existsSync(program) && search.fetch) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
    const options = ['install', '--no-audit', '--no-fund', '--loglevel=error'];
    await runWell('npm', [...options, wanted.package], { cwd: folder });
  }
  return existsSync(program) ? tryTool(wanted, commandOf(program)) : undefined;
}

function commandOf(program: string): [string, ...string[]] {
  return /\.[cm]?js$|\/bin\/(?:tsc|vite|esbuild)$/.test(program)
    ? [process.execPath, program] : [program];
}

async function tryTool(
  { name, version, args = [] }: Wanted, command: readonly [string, ...string[]],
): Promise<Tool | undefined> {
  const [program, ...first] = command;
  try {
    // Not in the workspace, whose package.json asks pnpm to be another version.
    const { code, output } = await run(program, [...first, '--version'], { cwd: tmpdir() });
    const [found] = /\d+\.\d+\.\d+\S*/.exec(output) ?? [];
    if (code !== 0 || found === undefined || !`${found}.`.startsWith(version)) return undefined;
    return { name, version: found, command: [program, ...first, ...args] };
  } catch {
    return undefined; // it is not there
  }
}

/** Paths of one kind of tool: those of an option, those of the environment, the name itself. */
export function candidates(
  kind: string, given: readonly string[] = [],
): (readonly [string, ...string[]])[] {
  const listed = process.env[`CONSUMERS_${kind.toUpperCase()}`]?.split(delimiter) ?? [];
  return [...given, ...listed, kind].filter((path) => path !== '').map((path) => [path] as const);
}

/** The engines: Node in several versions, Bun and Deno. */
export function engines(given: Readonly<Record<string, readonly string[]>>): Wanted[] {
  const system = process.platform === 'win32' ? 'win' : process.platform;
  const node = `node-${system}-${process.arch}`;
  return [
    ...[20, 22, 24, 26].map((major): Wanted => ({
      name: `Node ${major}`, version: `${major}.`, package: `${node}@${major}`,
      commands: [[process.execPath], ...candidates('node', given['node'])],
      program: `${node}/bin/node`,
    })),
    {
      name: 'Bun', version: '', commands: candidates('bun', given['bun']),
      package: 'bun@1', program: '.bin/bun',
    },
    {
      name: 'Deno', version: '', commands: candidates('deno', given['deno']),
      package: 'deno@2', program: '.bin/deno', args: ['run', '--allow-all', '--quiet'],
    },
  ];
}

/** The package managers. */
export function installers(): Wanted[] {
  return [
    { name: 'npm', version: '', commands: [['npm']], package: 'npm', program: '.bin/npm' },
    {
      name: 'pnpm', version: '10.', commands: candidates('pnpm'), package: 'pnpm@10',
      program: 'pnpm/bin/pnpm.cjs',
    },
  ];
}

/** The compilers; that of the workspace is one of them. */
export function compilers(): Wanted[] {
  const own = join(root, 'node_modules/typescript/bin/tsc');
  return ['5.4', '5.9', '7.0'].map((version) => ({
    name: `TypeScript ${version}`, version: `${version}.`, commands: [[process.execPath, own]],
    package: `typescript@~${version}.0`, program: 'typescript/bin/tsc',
  }));
}

/** The bundlers. */
export function bundlers(): Wanted[] {
  return [
    { name: 'Vite', version: '', commands: [], package: 'vite', program: 'vite/bin/vite.js' },
    { name: 'esbuild', version: '', commands: [], package: 'esbuild', program: '.bin/esbuild' },
  ];
}
