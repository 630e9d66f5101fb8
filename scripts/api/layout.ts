/**
 * The layout of the reference: a page for each entry point, on it a section for each folder of the
 * package, in that a part for each file, and there its entries, each with an anchor.
 */
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path/posix';
import { headerOf } from './declarations.ts';
import { groupBy, inOrder } from './lists.ts';
import { Anchors, capitalised } from './markdown.ts';
import { type EntryPoint, type Place, root } from './packages.ts';

/** A name on a page. */
export interface Entry {
  readonly name: string;
  /** Other names under which the same is exported. */
  readonly aliases: readonly string[];
  readonly place: Place;
  readonly anchor: string;
}

/** The entries that one source file declares. */
export interface FilePart {
  readonly source: string;
  readonly heading: string;
  readonly anchor: string;
  /** The comment at the top of the file. */
  readonly header: string;
  readonly entries: readonly Entry[];
}

/** The files of one folder. */
export interface Section {
  readonly heading: string;
  readonly anchor: string;
  /** What the README of the folder says first. */
  readonly intro: string;
  readonly files: readonly FilePart[];
}

export interface Page {
  readonly entryPoint: EntryPoint;
  /** Its file in docs/api. */
  readonly path: string;
  readonly sections: readonly Section[];
  /** The names that have their entry on a page before this one. */
  readonly passedOn: ReadonlyMap<string, Place>;
}

/** The pages, each entry on the first page that can have it: that of the package it is of. */
export function layOut(points: readonly EntryPoint[]): Page[] {
  const taken = new Set<string>();
  return points.map((entryPoint) => {
    const own = new Map<string, { name: string; aliases: string[]; place: Place }>();
    const passedOn = new Map<string, Place>();
    for (const [name, place] of entryPoint.exports) {
      const key = keyOf(place);
      const known = own.get(key);
      if (known !== undefined) {
        const isMain = name === place.name;
        known.aliases.push(isMain ? known.name : name);
        if (isMain) known.name = name;
      } else if (taken.has(key) || !isOf(entryPoint, place)) passedOn.set(name, place);
      else own.set(key, { name, aliases: [], place });
    }
    for (const key of own.keys()) taken.add(key);
    const sections = sectionsOf(entryPoint, [...own.values()]);
    return { entryPoint, path: pathOf(entryPoint), sections, passedOn };
  });
}

/** Tells places apart. */
export function keyOf({ file, name }: Place): string {
  return `${file.source} ${name}`;
}

function isOf(entryPoint: EntryPoint, { file }: Place): boolean {
  return file.source.startsWith(`packages/${entryPoint.package}/`);
}

function pathOf({ specifier }: EntryPoint): string {
  return `${specifier.replace('@mambagrad/', '').replaceAll('/', '-')}.md`;
}

type Named = Omit<Entry, 'anchor'>;

function sectionsOf(entryPoint: EntryPoint, entries: readonly Named[]): Section[] {
  // The headings at the top of every page come first.
  const anchors = new Anchors();
  for (const heading of [entryPoint.specifier, 'Contents']) anchors.next(heading);
  const byFile = groupBy(entries, ({ place }) => place.file.source);
  const byFolder = groupBy([...byFile.keys()].sort(), dirname);
  return foldersInOrder([...byFolder.keys()]).map((folder) => {
    const { title, intro } = readmeOf(folder);
    const anchor = anchors.next(title);
    const files = (byFolder.get(folder) ?? []).map((source): FilePart => {
      const heading = basename(source);
      const header = headerIn(source);
      const fileAnchor = anchors.next(heading);
      const named = (byFile.get(source) ?? []).sort(byDeclaration);
      const withAnchors = named.map((one) => ({ ...one, anchor: anchors.next(one.name) }));
      return { source, heading, anchor: fileAnchor, header, entries: withAnchors };
    });
    return { heading: title, anchor, intro, files };
  });
}

/** The comment at the top of a source file, without the name of what users import it by. */
export function headerIn(source: string): string {
  const header = headerOf(readFileSync(join(root, source), 'utf8'));
  return capitalised(header.replace(/^@?mambagrad\S*: /, ''));
}

/** The order in which a file declares names. */
function byDeclaration({ place: a }: Named, { place: b }: Named): number {
  const names = [...a.file.declarations.keys()];
  return names.indexOf(a.name) - names.indexOf(b.name);
}

/** Folders after those that their READMEs say they import. */
function foldersInOrder(folders: readonly string[]): string[] {
  return inOrder([...folders].sort(), (folder) => {
    const [top] = /^packages\/\w+\/src/.exec(folder) ?? [];
    return readmeOf(folder).imports.map((name) => `${top}/${name}`);
  });
}

/** The title and first paragraph of a folder's README, and the folders it may import. */
function readmeOf(folder: string): { title: string; intro: string; imports: readonly string[] } {
  const path = join(root, folder, 'README.md');
  if (!existsSync(path)) return { title: basename(dirname(folder)), intro: '', imports: [] };
  const text = readFileSync(path, 'utf8');
  const [, title = '', intro = ''] = /^# (.+)\n\n([^]*?)\n\n/.exec(text) ?? [];
  const [, list = ''] = /^Imports: (.+)\.$/m.exec(text) ?? [];
  return { title, intro, imports: [...list.matchAll(/`([^`]+)`/g)].map(([, name]) => name) };
}
