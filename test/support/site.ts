/**
 * The site for tests. It is built once for all files and runs of the tests between which nothing
 * that it is made of has changed: it lies in the cache, in a folder named by a hash of all of that.
 */
import { createHash } from 'node:crypto';
import {
  existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSite, type Output, writeSite } from '../../scripts/book/src/build.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const cache = join(root, 'node_modules/.cache/mambagrad/sites');
/** How many sites are kept: tests that still run may read an earlier one. */
const KEPT = 4;

const shared = globalThis as {
  mambagradSite?: { readonly output: Output; readonly folder: string };
};

/** The files of the site, by address. */
export function builtSite(): Output {
  return site().output;
}

/** A folder with the site in it. Other tests read it, too, so whoever adds a file removes it. */
export function writtenSite(): string {
  return site().folder;
}

function site(): { readonly output: Output; readonly folder: string } {
  if (shared.mambagradSite !== undefined) return shared.mambagradSite;
  const folder = join(cache, hashOfSources());
  const output = existsSync(folder) ? readSite(folder) : build(folder);
  return shared.mambagradSite = { output, folder };
}

function build(folder: string): Output {
  mkdirSync(cache, { recursive: true });
  const old = readdirSync(cache).map((name) => join(cache, name)).sort(byTime);
  const removed = old.slice(0, Math.max(0, old.length - KEPT));
  for (const each of removed) rmSync(each, { recursive: true, force: true });
  const output = buildSite();
  // Under its name it is there as a whole, or not at all.
  const unfinished = `${folder}-${process.pid}`;
  writeSite(output, unfinished);
  try {
    renameSync(unfinished, folder);
  } catch (error) {
    rmSync(unfinished, { recursive: true });
    // Another process may have been first.
    if (!existsSync(folder)) throw error;
  }
  return output;
}

const byTime = (a: string, b: string): number => statSync(a).mtimeMs - statSync(b).mtimeMs;

/** What is a string in a site, and not bytes. */
const texts = /\.(?:html|js|css)$|^assets\//;

/** A site as it was built, from the folder that it was written to. */
function readSite(folder: string): Output {
  const list = readFileSync(join(folder, '.book.json'), 'utf8');
  return new Map((JSON.parse(list) as string[]).map((address) => {
    const bytes = readFileSync(join(folder, address));
    return [address, texts.test(address) ? bytes.toString('utf8') : bytes] as const;
  }));
}

/** What nothing of the site is made of. */
const unused = new Set(['node_modules', '.git', 'generated', 'golden', 'runs', 'tarballs']);

/** A hash of all files of the repository that the site may be made of, by path and content. */
function hashOfSources(): string {
  const hash = createHash('sha256');
  const walk = (path: string): void => {
    const entries = readdirSync(join(root, path), { withFileTypes: true });
    for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
      const inner = join(path, entry.name);
      if (entry.isDirectory() && !unused.has(entry.name) && inner !== 'book') walk(inner);
      if (!entry.isFile()) continue;
      const content = createHash('sha256').update(readFileSync(join(root, inner))).digest('hex');
      hash.update(`${inner}: ${content}\n`);
    }
  };
  walk('.');
  return hash.digest('hex').slice(0, 16);
}
