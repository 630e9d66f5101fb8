/** How many bytes a reader of the site waits for, as servers send them: by gzip, or by Brotli. */
import { type Browser, serve } from '#chromium';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import { align } from '../table.ts';

/** The site, where `npm run book` builds it. */
const book = fileURLToPath(new URL('../../../../book/', import.meta.url));
/** The page that is looked at. */
const CHAPTER = '02-tensors.html';

interface File {
  readonly path: string;
  /** Bytes by compression. */
  readonly gzip: number;
  readonly brotli: number;
}

export interface SiteBytes {
  /** The files that were asked for before the first paint. */
  readonly beforePaint: readonly File[];
  /** All files, once the code of the first block has run. */
  readonly withPackages: readonly File[];
}

/** The bytes of a chapter; undefined if the site is not built. */
export async function siteBytes(browser: Browser): Promise<SiteBytes | undefined> {
  if (!existsSync(book + CHAPTER)) return undefined;
  const server = await serve({ isolated: true, folders: { book } });
  try {
    const page = await browser.open(`${server.url}book/${CHAPTER}`);
    const paint = await page.waitFor<number>(
      "performance.getEntriesByName('first-contentful-paint')[0]?.startTime",
    );
    const asked = await page.evaluate<{ name: string; startTime: number }[]>(
      "[...performance.getEntriesByType('navigation'), " +
      "...performance.getEntriesByType('resource')]" +
        '.map(({ name, startTime }) => ({ name, startTime }))',
    );
    const before = asked.filter(({ startTime }) => startTime <= paint)
      .map(({ name }) => new URL(name).pathname);
    await page.click('figure[data-block] .actions button');
    await page.waitFor("document.querySelector('figure[data-block]').dataset.state", 60_000);
    await page.close();
    const all = server.requests.filter((path) => path.startsWith('/book/'));
    return { beforePaint: measure(before), withPackages: measure(all) };
  } finally {
    await server.close();
  }
}

function measure(paths: readonly string[]): File[] {
  return [...new Set(paths)].map((path) => {
    const name = path.slice('/book/'.length);
    const bytes = readFileSync(book + name);
    const gzip = gzipSync(bytes, { level: 9 }).length;
    return { path: name, gzip, brotli: brotliCompressSync(bytes).length };
  });
}

/** The lines of a table: both sums, and all files. */
export function formatSite({ beforePaint, withPackages }: SiteBytes): string[] {
  const kB = (files: readonly File[], how: 'gzip' | 'brotli'): string =>
    `${(files.reduce((sum, file) => sum + file[how], 0) / 1000).toFixed(1)} kB`;
  const row = (name: string, files: readonly File[]): string[] =>
    [name, kB(files, 'gzip'), kB(files, 'brotli')];
  return align([
    [`Bytes of ${CHAPTER}`, 'gzip', 'Brotli'],
    row('until the first paint', beforePaint), row('with the packages', withPackages),
    ...withPackages.map((file) => row(`  ${file.path}`, [file])),
  ]);
}
