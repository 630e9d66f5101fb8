/**
 * `npm run pack [FOLDER]` makes a tarball of each package. `npm run consumers` tries them as users
 * will: it installs them outside of the workspace, type-checks, trains, saves and loads on every
 * engine that there is, and through bundlers. `npm run consumers -- --help` lists its options.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { consume, type ConsumeOptions } from './consume.ts';
import { readManifest } from './manifest.ts';
import { packAll, type Tarball } from './pack.ts';

const [command, ...args] = process.argv.slice(2);
const staging = mkdtempSync(join(tmpdir(), 'mambagrad-pack-'));
try {
  if (command === 'pack') await pack(args[0] ?? 'tarballs');
  else await consumers();
} finally {
  rmSync(staging, { recursive: true, force: true });
}

async function pack(folder: string): Promise<void> {
  printTarballs(await packAll(resolve(folder), staging));
  console.log(`To use them in a project: npm install ${join(resolve(folder), '*.tgz')}`);
  if (readManifest().repository !== undefined) return;
  console.log('To publish them, name the repository in package.json of the workspace first.');
}

async function consumers(): Promise<void> {
  const options = readOptions();
  if (options === undefined) return;
  const tarballs = await packAll(join(staging, 'tarballs'), staging);
  printTarballs(tarballs);
  const failures = await consume(tarballs, options);
  if (failures > 0) process.exitCode = 1;
}

function printTarballs(tarballs: readonly Tarball[]): void {
  for (const { path, size, unpackedSize, files } of tarballs) {
    const [packed, unpacked] = [size, unpackedSize].map((bytes) => `${Math.ceil(bytes / 1000)} kB`);
    console.log(`${basename(path)}: ${packed}, unpacked ${unpacked} in ${files.length} files`);
  }
}

const help = `Tries the packages as users will. What is not found is left out, and named.

  --fetch          get what is missing (Node 20 to 26, Bun, Deno, TypeScript 5.4 and 5.9,
                   pnpm, Vite, esbuild) from the registry of npm
  --tools FOLDER   where that is kept, for the next time. Default a temporary folder
  --node PATH      an engine; may be given several times, as may --bun and --deno.
                   CONSUMERS_NODE, CONSUMERS_BUN and CONSUMERS_DENO are lists of paths
  --with NAME      a package manager, npm or pnpm. Default both
  --folder FOLDER  where the projects are made, and stay. Default a temporary folder`;

/** The options of the command line; undefined if it asked for help, or is wrong. */
function readOptions(): ConsumeOptions | undefined {
  const paths = { type: 'string', multiple: true } as const;
  try {
    const { values } = parseArgs({
      args,
      options: {
        help: { type: 'boolean', short: 'h' }, fetch: { type: 'boolean' },
        tools: { type: 'string' }, folder: { type: 'string' },
        with: paths, node: paths, bun: paths, deno: paths,
      },
    });
    const { node = [], bun = [], deno = [] } = values;
    if (!values.help) {
      return {
        fetch: values.fetch ?? false,
        tools: resolve(values.tools ?? join(staging, 'tools')),
        folder: resolve(values.folder ?? join(staging, 'projects')),
        installers: values.with ?? [],
        engines: { node, bun, deno },
      };
    }
    console.log(help);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${help}`);
    process.exitCode = 2;
  }
  return undefined;
}
