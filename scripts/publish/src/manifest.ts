/**
 * What a package's package.json becomes in its tarball. In the workspace it says how to build, in
 * the tarball only how to use:
 *
 *     "workspace:*"           the version itself: packages of one version belong together
 *     "@mambagrad/source"     dropped, as the sources are not packed
 *     main, types, …          from `exports`, for compilers that do not know it (module: commonjs)
 *     repository, …           from the package.json of the workspace, if that names a repository
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../../', import.meta.url));

/** The parts of a package.json that are read here. */
export interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly [key: string]: unknown;
}

/** The folders of packages/, in the order of the alphabet. */
export function packageFolders(): string[] {
  return readdirSync(join(root, 'packages'))
    .filter((name) => existsSync(join(root, 'packages', name, 'package.json')))
    .sort();
}

/** The package.json of a folder of packages/; that of the workspace if none is named. */
export function readManifest(folder?: string): Manifest {
  const path = folder === undefined ? root : join(root, 'packages', folder);
  return JSON.parse(readFileSync(join(path, 'package.json'), 'utf8')) as Manifest;
}

/** The package.json that a package has in its tarball. */
export function publishedManifest(folder: string): Manifest {
  const { exports, dependencies, ...rest } = readManifest(folder);
  const published = Object.fromEntries(
    Object.entries(exports).map(([path, entry]) => [path, withoutSource(entry)]),
  );
  return {
    ...rest,
    exports: published,
    ...beforeExports(published),
    ...(dependencies && { dependencies: withVersions(dependencies) }),
    ...repositoryOf(folder),
  };
}

type Entry = Manifest['exports'][string];

function withoutSource(entry: Entry): Entry {
  if (typeof entry === 'string') return entry;
  const { '@mambagrad/source': _source, ...others } = entry;
  return others;
}

/** What compilers read that do not know `exports`: the files of all entries. */
function beforeExports(exports: Manifest['exports']): Record<string, unknown> {
  const files = Object.entries(exports).flatMap(([path, entry]) =>
    typeof entry === 'string' ? [] : [{ path, types: entry['types'], main: entry['default'] }],
  );
  const main = files.find(({ path }) => path === '.');
  const parts = files.filter(({ path }) => path !== '.');
  const typesVersions = parts.length > 0 && {
    '*': Object.fromEntries(parts.map(({ path, types }) => [path.slice(2), [types]])),
  };
  return {
    ...(main && { main: main.main, types: main.types }),
    ...(typesVersions && { typesVersions }),
  };
}

/** Packages of the workspace with their versions, which `workspace:*` stands for. */
function withVersions(dependencies: Readonly<Record<string, string>>): Record<string, string> {
  const versions = new Map(packageFolders().map((folder) => {
    const { name, version } = readManifest(folder);
    return [name, version];
  }));
  return Object.fromEntries(Object.entries(dependencies).map(([name, range]) => {
    if (!range.startsWith('workspace:')) return [name, range];
    const version = versions.get(name);
    if (version === undefined) throw new Error(`${name} is not a package of the workspace`);
    return [name, version];
  }));
}

/** Where the sources of a package are, and whom to tell of a bug, as the workspace says. */
function repositoryOf(folder: string): Record<string, unknown> {
  const { repository, homepage, bugs } = readManifest();
  if (repository === undefined) return {};
  const { url } = repository as { url: string };
  return { repository: { type: 'git', url, directory: `packages/${folder}` }, homepage, bugs };
}
