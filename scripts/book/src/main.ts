/**
 * `npm run book` builds the site of the documentation into `book/`, and serves it on this machine.
 * `npm run book -- --help` lists its options.
 */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { buildSite, writeSite } from './build.ts';
import { root } from './files.ts';
import { serve } from './serve.ts';

const help = `Builds the site of the documentation, and serves it on this machine.

  --build [FOLDER]  only builds, into FOLDER. Default book
  --port N          the port to serve on, a whole number from 0 to 65535; 0 is any that is free.
                    Default 8787, or the next that is free
  --help            shows this`;

const PORT = 8787;

interface Options {
  readonly folder: string;
  readonly isServed: boolean;
  readonly port: number;
}

const options = readOptions(process.argv.slice(2));
if (options !== undefined) await run(options);

async function run({ folder, isServed, port }: Options): Promise<void> {
  const begin = performance.now();
  const files = writeSite(buildSite(), folder);
  const seconds = ((performance.now() - begin) / 1000).toFixed(1);
  console.log(`${folder}: ${files} files, in ${seconds} s`);
  if (!isServed) return;
  try {
    const { url } = await serve(folder, port);
    console.log(`${url} (Ctrl+C ends it)`);
  } catch (error) {
    fail(error);
  }
}

/** The options of the command line; undefined if it asked for help, or is wrong. */
function readOptions(args: string[]): Options | undefined {
  try {
    const { values, positionals } = parseArgs({
      args, allowPositionals: true,
      options: {
        build: { type: 'boolean' }, port: { type: 'string' },
        help: { type: 'boolean', short: 'h' },
      },
    });
    if (values.help) {
      console.log(help);
      return undefined;
    }
    const [folder, ...others] = positionals;
    if (others.length > 0) {
      throw new Error(`book: expected one folder, got ${positionals.join(', ')}`);
    }
    if (folder !== undefined && !values.build) {
      throw new Error(`book: expected --build before ${folder}`);
    }
    const port = Number(values.port ?? PORT);
    if (!/^\d+$/.test(values.port ?? '0') || port > 65535) {
      throw new Error(`book: --port is ${values.port}, expected a whole number from 0 to 65535`);
    }
    return { folder: resolve(folder ?? `${root}book`), isServed: !values.build, port };
  } catch (error) {
    fail(error);
    console.error(`\n${help}`);
    process.exitCode = 2;
    return undefined;
  }
}

function fail(error: unknown): void {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}
