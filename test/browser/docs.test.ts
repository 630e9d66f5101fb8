/**
 * The code of the documentation in Chromium: on a page of the site the last block is run, and with
 * it all others; each has to print what the page says, which is what it prints in Node. In Node all
 * pages are run each time; here it is some of them, as the seed chooses.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readOutline } from '../../scripts/book/src/outline.ts';
import { runnableBlocks } from '../../scripts/publish/src/pageModule.ts';
import { describeInChromium, type Page } from '../support/chromium.ts';
import { serve, type Server } from '../support/server.ts';
import { someOf } from '../support/soak.ts';
import { builtSite, writtenSite } from '../support/site.ts';

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
  let server: Server;
  let page: Page;
  beforeAll(async () => {
    server = await serve({ isolated: true, folders: { book: writtenSite() } });
    page = await browser().open('about:blank');
  });
  afterAll(async () => {
    await page.close();
    await server.close();
  });

  test.each(someOf(pages))('$source', async ({ source, text, address }) => {
    await page.goto(`${server.url}book/${address}`);
    const { states, wrong, status } = await runAll(page);
    expect(wrong, status).toEqual([]);
    expect(states, status).toEqual(runnableBlocks(source, text).map(() => 'same'));
  });
});

test('the pages have hundreds of blocks', () => {
  const blocks = pages.flatMap(({ source, text }) => runnableBlocks(source, text));
  expect(blocks.length).toBeGreaterThan(200);
});
