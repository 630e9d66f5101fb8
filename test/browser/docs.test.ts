/**
 * The code of the documentation in Chromium: on each page of the site the last block is run, and
 * with it all others; each has to print what the page says, which is what it prints in Node.
 */
import { beforeAll, expect, test } from 'vitest';
import { readOutline } from '../../scripts/book/src/outline.ts';
import { runnableBlocks } from '../../scripts/publish/src/pageModule.ts';
import { describeInChromium, type Page } from '../support/chromium.ts';
import { serve } from '../support/server.ts';
import { builtSite, writtenSite } from '../support/site.ts';

/** Pages side by side. */
const AT_A_TIME = 2;
const MOST_MS = 120_000;

interface Found {
  /** The state of each block: `same` where all is printed as the page says. */
  readonly states: readonly string[];
  /** What is printed otherwise, and errors. */
  readonly wrong: readonly string[];
  readonly status: string;
}

const lastRun = `[...document.querySelectorAll('figure[data-block] .actions')].at(-1)`;

async function runAll(page: Page): Promise<Found> {
  await page.evaluate(`${lastRun}.querySelector('.action').click()`);
  await page.waitFor(`/done|stopped/.test(${lastRun}.textContent)`, MOST_MS);
  return page.evaluate<Found>(`{
    const figures = [...document.querySelectorAll('figure[data-block]')];
    const texts = (selector) => figures.flatMap((figure) =>
      [...figure.querySelectorAll(selector)].map((row) => row.innerText));
    ({
      states: figures.map((figure) => figure.dataset.state ?? 'not run'),
      wrong: texts('.different, .failed'), status: ${lastRun}.innerText,
    });
  }`);
}

const pages = readOutline().flatMap((part) => part.pages)
  .filter(({ address }) => String(builtSite().get(address)).includes('id="program"'));

describeInChromium('every block of a page prints what it prints in Node', (browser) => {
  const results = new Map<string, Promise<Found>>();

  beforeAll(async () => {
    const server = await serve({ isolated: true, folders: { book: writtenSite() } });
    const queue = [...pages];
    const lane = async (): Promise<void> => {
      const page = await browser().open('about:blank');
      for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
        const found = page.goto(`${server.url}book/${next.address}`).then(() => runAll(page));
        results.set(next.source, found);
        await found.catch(() => undefined);
      }
      await page.close();
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, lane));
    await server.close();
  }, 600_000);

  test.each(pages)('$source', async ({ source, text }) => {
    const { states, wrong, status } = await results.get(source) ?? { states: [], wrong: [], status: '' };
    expect(wrong, status).toEqual([]);
    expect(states, status).toEqual(runnableBlocks(source, text).map(() => 'same'));
  });
});

test('the pages have hundreds of blocks', () => {
  const blocks = pages.flatMap(({ source, text }) => runnableBlocks(source, text));
  expect(blocks.length).toBeGreaterThan(200);
});
