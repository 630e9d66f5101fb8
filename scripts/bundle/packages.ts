/**
 * Bundles of the packages. `browserModule` is `mambagrad/browser`: one file without imports, for
 * pages that use no bundler, and for their workers, which import maps do not reach.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Bundler, prelude } from './bundle.ts';

export const root: string = fileURLToPath(new URL('../../', import.meta.url));

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
}

/** What users import, such as `@mambagrad/nn/node`, with the compiled file that it is. */
export function packageEntries(): Map<string, string> {
  const folders = readdirSync(join(root, 'packages')).map((name) => join(root, 'packages', name));
  const found = folders.filter((folder) => existsSync(join(folder, 'package.json')));
  return new Map(found.flatMap((folder) => {
    const { name, exports } = readManifest(folder);
    return Object.entries(exports).flatMap(([path, entry]) => typeof entry === 'string' ? [] : [
      [`${name}${path.slice(1)}`, join(folder, entry['default'])] as const,
    ]);
  }));
}

function readManifest(folder: string): Manifest {
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
}

/** `mambagrad/browser` as one module without imports. The packages have to be compiled. */
export function browserModule(): string {
  const { version } = readManifest(join(root, 'packages/mambagrad'));
  const header =
    `/*! mambagrad ${version}, MIT licence: all packages in one file, without comments. */\n`;
  return header + moduleWith([]);
}

/** The same with all that other compiled files export: `browserModule` without its first line. */
export function moduleWith(files: readonly string[]): string {
  const entries = packageEntries();
  const file = entries.get('mambagrad/browser');
  if (file === undefined) throw new Error('mambagrad has no entry ./browser');
  const all = [file, ...files];
  const missing = all.find((each) => !existsSync(each));
  if (missing !== undefined) {
    throw new Error(`${missing} is not there: run \`npm run build\` first`);
  }
  const bundler = new Bundler({
    root, find: (specifier) => entries.get(specifier), keepsFunctions: true,
  });
  const code = bundler.add(all);
  const exported = new Map(all.toReversed().flatMap((each) => [...bundler.exportsOf(each)]));
  const list = [...exported].map(([name, local]) => `${local} as ${name}`);
  return `${prelude}${code}export { ${list.join(', ')} };\n`;
}
