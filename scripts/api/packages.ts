/**
 * What the packages export, read from the .d.ts files that the compiler wrote: for each entry point
 * of a package.json its names, each with the file that declares it.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path/posix';
import { fileURLToPath } from 'node:url';
import { type Declaration, declarationsIn, nameOf } from './declarations.ts';
import { inOrder } from './lists.ts';

/** A .d.ts file. */
export interface DeclarationFile {
  /** Its source, as `packages/nn/src/layers/linear.ts`. */
  readonly source: string;
  /** What it declares by name; a function with overloads has several declarations. */
  readonly declarations: ReadonlyMap<string, readonly Declaration[]>;
  /** Its imports and exports, statement by statement. */
  readonly links: readonly Link[];
}

/** `import { name as local } from 'from'`, or the same with `export`; `*` stands for all names. */
interface Link {
  readonly kind: 'import' | 'export';
  readonly name: string;
  readonly local: string;
  /** What it is imported from; undefined for `export { name }`. */
  readonly from: string | undefined;
}

/** Where a name is declared. */
export interface Place {
  readonly file: DeclarationFile;
  readonly name: string;
}

/** What users import from: a package, or a part of one. */
export interface EntryPoint {
  /** As users write it: `@mambagrad/tensor/options`. */
  readonly specifier: string;
  /** The name of the package's folder. */
  readonly package: string;
  /** What package.json says of the package. */
  readonly description: string;
  readonly file: DeclarationFile;
  /** Every name that it exports, with its place. */
  readonly exports: ReadonlyMap<string, Place>;
}

export const root: string = fileURLToPath(new URL('../../', import.meta.url)).replaceAll('\\', '/');

/** The entry points of all packages, those of lower packages first. */
export function entryPoints(): EntryPoint[] {
  return packageNames().flatMap((name) => {
    checkFresh(name);
    const { name: specifier, description } = manifestOf(name);
    return entriesOf(name).map(([path, source]) => {
      const file = readFile(source);
      return {
        specifier: join(specifier, path), package: name, description, file,
        exports: exportsOf(file),
      };
    });
  });
}

interface Manifest {
  readonly name: string;
  readonly description: string;
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>;
  readonly dependencies?: Readonly<Record<string, string>>;
}

function manifestOf(name: string): Manifest {
  return JSON.parse(readFileSync(join(root, 'packages', name, 'package.json'), 'utf8')) as Manifest;
}

/** What a package exports, by path, and the sources; its package.json is exported without one. */
function entriesOf(name: string): [path: string, source: string][] {
  return Object.entries(manifestOf(name).exports).flatMap(([path, entry]) =>
    typeof entry === 'string' ? [] : [[path, join('packages', name, entry['@mambagrad/source'])]],
  );
}

/** The packages' folders, each after those it depends on. */
function packageNames(): string[] {
  const names = readdirSync(join(root, 'packages')).sort();
  return inOrder(names, (name) =>
    Object.keys(manifestOf(name).dependencies ?? {}).map((each) => each.split('/')[1]),
  );
}

/** Throws if a source of a package has changed since the compiler last looked at it. */
function checkFresh(name: string): void {
  const folder = join(root, 'packages', name);
  const timeOf = (path: string): number =>
    statSync(join(folder, path), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const compiled = timeOf('dist/tsconfig.tsbuildinfo');
  // What needs Node's types is a project of its own.
  const compiledForNode = timeOf('dist/tsconfig.node.tsbuildinfo') || compiled;
  const sources = readdirSync(join(folder, 'src'), { recursive: true })
    .map((file) => `src/${String(file).replaceAll('\\', '/')}`);
  const newer = sources.find((file) => {
    const last = file.endsWith('.node.ts') ? compiledForNode : compiled;
    return file.endsWith('.ts') && timeOf(file) > last;
  });
  if (newer === undefined) return;
  throw new Error(
    `packages/${name}/${newer} is newer than what was compiled of it: run \`npm run build\` first`,
  );
}

const files = new Map<string, DeclarationFile>();

/** The declarations of a source file. */
function readFile(source: string): DeclarationFile {
  const known = files.get(source);
  if (known !== undefined) return known;
  const path = source.replace('/src/', '/dist/').replace(/\.ts$/, '.d.ts');
  if (!existsSync(join(root, path))) throw new Error(`${path} is missing: run \`npm run build\``);
  const statements = declarationsIn(readFileSync(join(root, path), 'utf8'));
  const declarations = new Map<string, Declaration[]>();
  for (const statement of statements) {
    const { name } = nameOf(statement) ?? {};
    if (name !== undefined) declarations.set(name, [...(declarations.get(name) ?? []), statement]);
  }
  const file = { source, declarations, links: statements.flatMap(({ text }) => linksIn(text)) };
  files.set(source, file);
  return file;
}

function linksIn(text: string): Link[] {
  const [, kind, all, as, list, from] = linkLine.exec(text) ?? [];
  if (kind !== 'import' && kind !== 'export') return [];
  if (all !== undefined) return [{ kind, name: '*', local: as ?? '*', from }];
  return (list ?? '').split(',').flatMap((item) => {
    const [, name, local = name] = /^\s*(?:type )?([\w$]+)(?: as ([\w$]+))?\s*$/.exec(item) ?? [];
    return name === undefined ? [] : [{ kind, name, local, from }];
  });
}

const linkLine =
  /^(import|export) (?:type )?(?:(\*)(?: as ([\w$]+))?|\{([^}]*)\})(?: from '([^']+)')?$/;

/** The names that a file exports, with the places of their declarations. */
function exportsOf(file: DeclarationFile): Map<string, Place> {
  const found = new Map<string, Place>();
  for (const [name, [{ text }]] of file.declarations) {
    if (text.startsWith('export ')) found.set(name, { file, name });
  }
  for (const { kind, name, local, from } of file.links) {
    // A whole package under one name, `export * as k`, has its own page.
    if (kind !== 'export' || (name === '*' && local !== '*')) continue;
    const target = from === undefined ? file : fileAt(file, from);
    if (target === undefined) continue;
    if (name === '*') for (const [each, place] of exportsOf(target)) found.set(each, place);
    else {
      const place = resolve(target, name);
      if (place !== undefined) found.set(local, place);
    }
  }
  return found;
}

/** The file that another imports from; undefined if it is none of the packages'. */
function fileAt(file: DeclarationFile, from: string): DeclarationFile | undefined {
  if (from.startsWith('.')) return readFile(join(dirname(file.source), from));
  const [, name, part = ''] = /^@mambagrad\/(\w+)(\/.*)?$/.exec(from) ?? [];
  if (name === undefined) return undefined;
  const entry = entriesOf(name).find(([path]) => path === `.${part}`);
  return entry && readFile(entry[1]);
}

/**
 * Where a name is declared that a file uses or exports, such as `Shape` or `k.Expr`; undefined if
 * the packages do not declare it.
 */
export function resolve(file: DeclarationFile, name: string): Place | undefined {
  const [first, second] = name.split('.');
  if (second !== undefined) {
    const all = file.links.find(({ local, name: each }) => each === '*' && local === first);
    const target = all?.from === undefined ? undefined : fileAt(file, all.from);
    return target && resolve(target, second);
  }
  if (file.declarations.has(name)) return { file, name };
  for (const link of file.links) {
    if (link.from === undefined || (link.local !== name && link.local !== '*')) continue;
    const target = fileAt(file, link.from);
    const place = target && resolve(target, link.name === '*' ? name : link.name);
    if (place !== undefined) return place;
  }
  return undefined;
}
