/**
 * Where links lead. A page of the repository links to files, as GitHub shows them: other pages,
 * sources, folders, images. On the site each of these has an address, and a link is the way from
 * one address to the other, so that the site can lie in any folder.
 */
import { existsSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path/posix';
import { type Files, root, sourceFolders } from './files.ts';
import type { Links } from './markdown.ts';
import type { Page } from './outline.ts';

const image = /\.(?:svg|png)$/;

/** The addresses of everything, and all links that were asked for. */
export class Site {
  readonly files: Files;
  readonly #pages: ReadonlyMap<string, Page>;
  /** Images that pages show, by their path in the repository. */
  readonly images = new Set<string>();

  constructor(files: Files, pages: readonly Page[]) {
    this.files = files;
    this.#pages = new Map(pages.map((page) => [page.source, page]));
  }

  /** The address of a file or folder of the repository; undefined if it is not on the site. */
  addressOf(path: string): string | undefined {
    const page = this.#pages.get(path);
    if (page !== undefined) return page.address;
    if (image.test(path) && existsSync(join(root, path))) {
      this.images.add(path);
      return imageAddress(path);
    }
    if (this.files.folders.has(path)) return `source/${path}/index.html`;
    if (!this.files.paths.has(path)) return undefined;
    // A folder's page shows what is written about the folder.
    return path.endsWith('/README.md') ? this.addressOf(dirname(path)) : `source/${path}.html`;
  }

  /** The files that a text names, and that alone have their names. */
  #unmistakable(text: string): string[] {
    return Array.from(text.matchAll(/`([\w./-]+\.ts)`/g), ([, name]) => this.files.named(name))
      .flatMap((found) => (found.length === 1 ? found : []));
  }

  /** The links of a text of the repository that stands on the page at `address`. */
  linksFrom(source: string, address: string, text: string): Links {
    const about = [...pathsIn(source, text), ...this.#unmistakable(text)];
    let last = source;
    return {
      to: (target) => {
        if (/^https?:/.test(target)) return target;
        const [path, anchor] = target.split('#');
        const hash = anchor === undefined ? '' : `#${anchor}`;
        if (path === '') return hash;
        const file = normalize(join(dirname(source), path)).replace(/\/$/, '');
        const found = this.addressOf(file);
        if (found === undefined) throw new Error(`link to ${target}: the site has no ${file}`);
        last = file;
        // Of an exercise, pages mean what is asked; the page of it, its file.
        const isExercise = /^exercises\/\w+\.ts$/.test(file) && source.endsWith('.md');
        const exercise = file.replace(/\.ts$/, '.html');
        return way(address, isExercise && exercise !== address ? exercise : found) + hash;
      },
      ofCode: (code) => {
        const [, name] = /^npm run exercise (\w+)(?: -- --hint)?$/.exec(code) ?? [];
        const page = `exercises/${name}.html`;
        if (name !== undefined && page !== address) return way(address, page);
        if (!fileName.test(code)) return undefined;
        const file = this.files.meant(code.replace(/\/$/, ''), about, last);
        const found = file === undefined ? undefined : this.addressOf(file);
        if (file === undefined || found === undefined) return undefined;
        last = file;
        return way(address, found);
      },
    };
  }
}

const folders = sourceFolders.join('|');

/** Code that looks like a file (`threads.ts`, `ops/define.ts`) or is the whole path of a folder. */
const fileName = new RegExp(
  String.raw`^(?:[\w.-]+\/)*\w[\w.-]*\.(?:ts|mjs|py)$|^(?:${folders})(?:\/[\w-]+)*\/?$`,
);
/** A file or folder in a text, with its whole path. */
const wholePath = new RegExp(String.raw`\b(?:${folders})(?:\/[\w.-]*\w)+`, 'g');

/** The files and folders that a text names with their whole path, or links to. */
function pathsIn(source: string, text: string): string[] {
  const written = Array.from(text.matchAll(wholePath), ([found]) => found);
  return [...new Set([source, ...written])];
}

/** Where an image of the repository stands on the site. */
export function imageAddress(path: string): string {
  return path.replace(/^docs\//, '');
}

/** The way from one page of the site to another, or to an asset. */
export function way(from: string, to: string): string {
  return relative(dirname(from), to) || to.split('/').at(-1) || '';
}
