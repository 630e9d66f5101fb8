/** The site, built once for all tests of a process. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildSite, type Output, writeSite } from '../../scripts/book/src/build.ts';

const shared = globalThis as { mambagradSite?: Output };

/** The files of the site, by address. */
export function builtSite(): Output {
  shared.mambagradSite ??= buildSite();
  return shared.mambagradSite;
}

/** A folder with the site in it, and how to remove it. */
export function writtenSite(): { readonly folder: string; readonly remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), 'mambagrad-site-'));
  writeSite(builtSite(), folder);
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}
