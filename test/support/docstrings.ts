/**
 * Finds public declarations without a docstring, in the sources as text. Their format is uniform,
 * which keeps this short: a declaration begins at the start of its line, a member after two spaces,
 * and a closing brace at the start of a line ends a class or interface.
 */
import { dirname, join } from 'node:path/posix';
import { readFileSync } from 'node:fs';
import { sourceFiles, type SourceFile } from './source.ts';

/** Something that a package exports, or a public member of it. */
export interface PublicName {
  /** Where it is first declared, as `package/src/file:line name`. */
  readonly place: string;
  readonly isDocumented: boolean;
}

/** The line of a declaration: `isDocumented` if a docstring ends on the line above. */
interface Declaration {
  /** Of a member its name, else nothing. */
  readonly member: readonly string[];
  readonly line: number;
  readonly isDocumented: boolean;
}

const files = new Map(sourceFiles().map((file) => [`${file.package}/src/${file.path}`, file]));

/** Every name that the packages export, with public members, those that are inherited too. */
export function publicNames(): PublicName[] {
  const found = new Map<string, PublicName>();
  const seen = new Set<string>();
  const add = ({ file, name }: Export): void => {
    const key = `${pathOf(file)} ${name}`;
    if (seen.has(key)) return;
    seen.add(key);
    const inherited = new Set(inheritedDocs({ file, name }));
    for (const { member, line, isDocumented } of declarationsOf(file, name)) {
      const place = `${pathOf(file)}:${line} ${[name, ...member].join('.')}`;
      found.set(place, { place, isDocumented: isDocumented || inherited.has(String(member)) });
    }
    parentsOf(file, name).forEach(add);
  };
  entryPoints().flatMap(exportsOf).forEach(add);
  return [...found.values()];
}

function pathOf(file: SourceFile): string {
  return `${file.package}/src/${file.path}`;
}

/** The sources that the `exports` of each package.json name. */
function entryPoints(): string[] {
  const packages = new Set([...files.values()].map((file) => file.package));
  return [...packages].flatMap((name) => {
    const path = new URL(`../../packages/${name}/package.json`, import.meta.url);
    const { exports } = JSON.parse(readFileSync(path, 'utf8')) as {
      exports: Record<string, Record<string, string>>;
    };
    return Object.values(exports).map((entry) => join(name, entry['@mambagrad/source']));
  });
}

interface Export {
  readonly file: SourceFile;
  readonly name: string;
}

/** Where the names that a file exports are declared; those of other packages are left out. */
function exportsOf(path: string): Export[] {
  const file = files.get(path);
  if (file === undefined) throw new Error(`there is no file ${path}`);
  const declared = file.text.split('\n').flatMap((line) => {
    const [, name] = exported.exec(line) ?? [];
    return name === undefined ? [] : [{ file, name }];
  });
  const passedOn = [...file.text.matchAll(reexport)].flatMap(([, list, from]) => {
    if (list === undefined) return exportsOf(beside(file, from));
    const source = from === undefined ? file : files.get(beside(file, from));
    return namesIn(list).flatMap((name) => resolve(source, name));
  });
  return [...declared, ...passedOn];
}

const keyword =
  /(?:declare |abstract |async )*(?:function\*?|const|let|class|interface|type)/.source;
const exported = new RegExp(`^export ${keyword} (\\w+)`);
const reexport = /^export (?:\*|(?:type )?\{([^}]*)\})(?: from '(\.[^']*)')?;/gm;
const imported = /^import (?:type )?\{([^}]*)\} from '(\.[^']*)'/gm;

/** Where a name that a file declares, imports or passes on is declared; nothing if elsewhere. */
function resolve(file: SourceFile | undefined, name: string): Export[] {
  if (file === undefined) return [];
  if (headOf(name).test(file.text)) return [{ file, name }];
  for (const pattern of [imported, reexport]) {
    for (const [, list, from] of file.text.matchAll(pattern)) {
      if (list === undefined || from === undefined || !namesIn(list).includes(name)) continue;
      return resolve(files.get(beside(file, from)), name);
    }
  }
  return [];
}

function beside(file: SourceFile, path: string): string {
  return join(dirname(pathOf(file)), path);
}

/** The names of a list such as `a, type B, c as d`, as they are declared. */
function namesIn(list: string): string[] {
  return list.split(',').flatMap((item) => /(?:type )?(\w+)/.exec(item)?.[1] ?? []);
}

function headOf(name: string): RegExp {
  return new RegExp(`^(?:export )?${keyword} ${name}\\b`, 'm');
}

/** The classes and interfaces that one extends or implements, as far as the packages have them. */
function parentsOf(file: SourceFile, name: string): Export[] {
  const pattern = new RegExp(`(?:class|interface) ${name}\\b([^{]*)\\{`);
  const [, head = ''] = pattern.exec(file.text) ?? [];
  let plain = head.replaceAll(/\b(?:Omit|Pick|Partial)<(\w+)[^>]*>/g, '$1');
  for (let depth = 0; depth < 3; depth++) plain = plain.replaceAll(/<[^<>]*>/g, '');
  return [...plain.matchAll(/\b[A-Z]\w*/g)].flatMap(([parent]) => resolve(file, parent));
}

/** The members of a declaration's parents that have docstrings, which its own inherit. */
function inheritedDocs({ file, name }: Export): string[] {
  return parentsOf(file, name).flatMap((parent) => [
    ...declarationsOf(parent.file, parent.name).flatMap((one) =>
      one.isDocumented ? one.member : [],
    ),
    ...inheritedDocs(parent),
  ]);
}

/** A declaration and its public members, each name once. */
function declarationsOf(file: SourceFile, name: string): Declaration[] {
  const lines = file.text.split('\n');
  const head = headOf(name);
  const at = lines.flatMap((line, i) => (head.test(line) ? [i] : []));
  const found = at.map((i): Declaration => (
    { member: [], line: i + 1, isDocumented: endsDocstring(lines, i) }
  ));
  for (const start of at.filter((i) => hasMembers.test(lines[i]))) {
    // A head may take several lines; one without members ends with {}.
    const open = lines.findIndex((line, i) => i >= start && /[{}]$/.test(line));
    const end = lines.findIndex((line, i) => i >= open && line.startsWith('}'));
    if (lines[open].endsWith('}')) continue;
    for (let i = open + 1; i < end; i++) {
      const [, modifiers, member] = memberLine.exec(lines[i]) ?? [];
      if (member === undefined || isLeftOut(modifiers, member)) continue;
      found.push({ member: [member], line: i + 1, isDocumented: endsDocstring(lines, i) });
    }
  }
  return onceEach(found);
}

const hasMembers = /^(?:export )?(?:declare |abstract )*(?:class|interface|type \w+[^=]* = \{$)/;
const memberLine = /^ {2}((?:[a-z]+ |\*)*)([A-Za-z_]\w*)[?]?(?:[(:<;]| =|$)/;

/** Members that nobody else sees, and those whose docstring is inherited. */
function isLeftOut(modifiers: string, member: string): boolean {
  return member === 'constructor' || /\b(?:private|protected|override)\b/.test(modifiers);
}

function endsDocstring(lines: readonly string[], line: number): boolean {
  return line > 0 && /\*\/$/.test(lines[line - 1]);
}

/** Overloads, and a getter with its setter, are one name, with one docstring. */
function onceEach(all: readonly Declaration[]): Declaration[] {
  const names = new Map<string, Declaration>();
  for (const one of all) {
    const first = names.get(String(one.member)) ?? one;
    const isDocumented = first.isDocumented || one.isDocumented;
    names.set(String(one.member), { ...first, isDocumented });
  }
  return [...names.values()];
}
