/**
 * The files of the repository that the site shows, and which of them a page means by a name. A page
 * says `threads.ts`, and there are several of that name; it means the one in the folder that it
 * speaks about.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path/posix';
import { fileURLToPath } from 'node:url';

/** The folder of the repository. */
export const root = fileURLToPath(new URL('../../../', import.meta.url)).replaceAll('\\', '/');

/** The folders whose sources are shown; where a name could mean several, the first ones first. */
export const sourceFolders: readonly string[] = [
  'packages', 'examples', 'bench', 'scripts', 'test', 'vectors', 'exercises',
];

const skipped = new Set(['dist', 'node_modules', 'generated', 'golden', 'runs']);
const shown = /\.(?:ts|mjs|js|css|html|py)$|^(?:package|tsconfig[\w.]*)\.json$|^README\.md$/;

/** The paths of files, and of the folders that they are in. */
export class Files {
  readonly paths: ReadonlySet<string>;
  readonly folders: ReadonlySet<string>;
  /** Paths by the name of the file or folder. */
  readonly #byName = new Map<string, string[]>();

  constructor(paths: Iterable<string>) {
    this.paths = new Set(paths);
    this.folders = new Set([...this.paths].flatMap(foldersOf));
    for (const path of [...this.paths, ...this.folders]) {
      const known = this.#byName.get(basename(path)) ?? [];
      this.#byName.set(basename(path), [...known, path]);
    }
  }

  /** The files and folders of a folder, folders first. */
  in(folder: string): string[] {
    const inside = (all: Iterable<string>): string[] =>
      [...all].filter((path) => path !== folder && dirname(path) === folder).sort();
    return [...inside(this.folders), ...inside(this.paths)];
  }

  /** The files or folders whose path ends with this name: `threads.ts`, `ops/define.ts`. */
  named(name: string): string[] {
    const known = this.#byName.get(basename(name)) ?? [];
    return known.filter((path) => path === name || path.endsWith(`/${name}`));
  }

  /**
   * The file or folder that a page means by a name: of those that have it the one with the longest
   * way in common with a path that the page speaks about, then with the path that it named last;
   * then the only one in `packages`. Undefined if these leave several.
   */
  meant(name: string, about: readonly string[], last: string): string | undefined {
    const nearness = (path: string): number =>
      Math.max(0, ...about.map((each) => common(each, path)));
    const nearest = highest(this.named(name), nearness);
    const latest = highest(nearest, (path) => common(last, path));
    const [only, ...others] = highest(latest, (path) => -sourceFolders.indexOf(path.split('/')[0]));
    return others.length === 0 ? only : undefined;
  }
}

/** The items for which a figure is highest. */
function highest<T>(items: readonly T[], figure: (item: T) => number): T[] {
  const most = Math.max(...items.map(figure));
  return items.filter((item) => figure(item) === most);
}

/** How many folders two paths have in common. */
function common(a: string, b: string): number {
  const [first, second] = [a.split('/'), b.split('/')];
  const end = first.findIndex((part, i) => part !== second[i]);
  return end < 0 ? first.length : end;
}

/** The folders that a path is in, the innermost first. */
export function foldersOf(path: string): string[] {
  const folder = dirname(path);
  return folder === '.' ? [] : [folder, ...foldersOf(folder)];
}

/** All files that the site shows. */
export function readFiles(): Files {
  return new Files(sourceFolders.flatMap((folder) => walk(folder)));
}

function walk(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return skipped.has(entry.name) ? [] : walk(path);
    return shown.test(entry.name) ? [path] : [];
  });
}

/** The text of a file, its lines ended as on every machine. */
export function readText(path: string): string {
  return readFileSync(join(root, path), 'utf8').replaceAll('\r\n', '\n');
}
