/**
 * Follows the recipes of CONTRIBUTING.md to the letter, in a copy of the sources: new files are
 * written, changes made. A block belongs to the file that the line before it names, as in
 *
 *     In `packages/nn/src/index.ts`:
 *
 *     ```diff
 *      export * from './layers/norm.ts';
 *     +export * from './layers/scaleNorm.ts';
 *     ```
 *
 * A `diff` changes a file that is there: its lines without + have to follow one another in the file
 * once, and `@@` stands between two such places. Any other block is a new file, as a whole.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path/posix';

/** One block of a recipe. */
export interface Change {
  /** From the root of the repository. */
  readonly path: string;
  /** The line of the opening fence, from 1. */
  readonly line: number;
  readonly isDiff: boolean;
  readonly text: string;
}

/** A line that ends with the name of a file, and the block after it. */
const fileBlock =
  /(^[^\n]*`([\w./-]+\.\w+)`[^\n`]*:\n\n)( *)(`{3,})(\w+)\n([^]*?)\n\3\4$/gm;

/** The blocks of a page that belong to files. */
export function changesIn(page: string): Change[] {
  return Array.from(page.matchAll(fileBlock), (match) => {
    const [, before, path, indent, , language, code] = match;
    const line = page.slice(0, match.index).split('\n').length + before.split('\n').length - 1;
    const text = code.split('\n').map((each) => `${each.slice(indent.length)}\n`).join('');
    return { path, line, isDiff: language === 'diff', text };
  });
}

/** The page with blank lines in the place of these blocks. */
export function withoutChanges(page: string): string {
  return page.replaceAll(fileBlock, (block) => block.replaceAll(/[^\n]/g, ''));
}

/** The text of a file after a change; undefined stands for a file that is not there. */
export function changed(
  text: string | undefined, { path, line, isDiff, text: code }: Change,
): string {
  const fail = (problem: string) => new Error(`CONTRIBUTING.md:${line}: ${path} ${problem}`);
  if (!isDiff) {
    if (text !== undefined) throw fail('is there already');
    return code;
  }
  if (text === undefined) throw fail('is not there');
  return code.split(/^@@.*\n/m).reduce((current, hunk) => {
    const lines = hunk.split('\n').slice(0, -1).map((each) => [each[0] ?? ' ', each.slice(1)]);
    const sideOf = (other: string) =>
      lines.flatMap(([sign, rest]) => (sign === other ? [] : [`${rest}\n`])).join('');
    const [before, after] = [sideOf('+'), sideOf('-')];
    const starts = current.split('\n').map((_, i, all) => all.slice(i).join('\n'));
    const count = starts.filter((rest) => rest.startsWith(before)).length;
    if (count !== 1) throw fail(`has these lines ${count} times, expected once:\n${before}`);
    return `\n${current}`.replace(`\n${before}`, () => `\n${after}`).slice(1);
  }, text);
}

/**
 * Writes the sources and tests below `root` into `target`, with all changes made, and gives the
 * paths that they concern. There, packages import each other's copies. Files that are as they
 * should be are left alone.
 */
export function follow(changes: readonly Change[], root: string, target: string): string[] {
  const read = (path: string) => readFileSync(join(root, path), 'utf8');
  const files = new Map(sourcesOf(root).map((path) => [path, read(path)]));
  for (const change of changes) files.set(change.path, changed(files.get(change.path), change));
  const entries = entriesOf(root);
  const written = new Set<string>();
  for (const [path, text] of files) {
    const file = join(target, nameIn(path));
    written.add(file);
    writeIfChanged(file, withCopies(text, path, entries));
  }
  for (const path of filesIn(target)) {
    if (!written.has(join(target, path))) rmSync(join(target, path));
  }
  return [...new Set(changes.map(({ path }) => path))];
}

/** Where the copy of a file is: tests get another ending, so that Vitest does not find them. */
export function nameIn(path: string): string {
  return path.replace(/\.test\.ts$/, '.recipe.ts');
}

const folders = ['packages', 'test', 'examples', 'docs', 'README.md'];

function sourcesOf(root: string): string[] {
  return folders
    .flatMap((folder) => (folder.endsWith('.md') ? [folder] : filesIn(root, folder)))
    .filter((path) => /^(?:packages\/\w+\/src|test|examples)\/.*\.ts$|\.md$/.test(path))
    .filter((path) => !/^docs\/api\/|\/(?:generated|golden)\//.test(path));
}

function filesIn(root: string, folder = ''): string[] {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (!entry.isDirectory()) return [path];
    return /^(?:dist|node_modules|generated|golden)$/.test(entry.name) ? [] : filesIn(root, path);
  });
}

/** The source of each thing that can be imported from a package. */
export function entriesOf(root: string): Map<string, string> {
  return new Map(readdirSync(join(root, 'packages')).flatMap((name) => {
    const manifest = readFileSync(join(root, 'packages', name, 'package.json'), 'utf8');
    const { name: specifier, exports } = JSON.parse(manifest) as {
      name: string; exports: Record<string, string | Record<string, string>>;
    };
    // The package.json is exported, too, and has no source.
    return Object.entries(exports).flatMap(([part, entry]) => (typeof entry === 'string' ? [] : [[
      join(specifier, part), join('packages', name, entry['@mambagrad/source']),
    ] as const]));
  }));
}

/** A module's text, at a path of the copy, with imports of the copy's packages. */
export function withCopies(
  text: string, path: string, entries: ReadonlyMap<string, string>,
): string {
  if (!path.endsWith('.ts')) return text;
  const specifier = /(\bfrom |\bimport |\bimport\()'(@?mambagrad(?:\/[^']+)?)'/g;
  return text.replaceAll(specifier, (all, word, name) => {
    const source = entries.get(name);
    if (source === undefined) return all;
    const to = relative(dirname(path), source);
    return `${word}'${to.startsWith('.') ? to : `./${to}`}'`;
  });
}

/** Leaves a file that is as it should be untouched: in watch mode a write starts the next run. */
export function writeIfChanged(file: string, text: string): void {
  if (existsSync(file) && readFileSync(file, 'utf8') === text) return;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}
