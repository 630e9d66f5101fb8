/**
 * Chromium for tests: one browser serves all tests of a process. Where there is none the tests are
 * skipped, and `npm test` says so in the end.
 */
import { type Browser, findChromium, NO_CHROMIUM, startChromium } from '#chromium';
import { beforeAll, describe } from 'vitest';

export {
  type Browser, findChromium, type Message, NO_CHROMIUM, type Page, type Screenshot, startChromium,
  type View,
} from '#chromium';

const shared = globalThis as { mambagradChromium?: Promise<Browser | undefined> };

/**
 * The browser of this process, which is started when it is first asked for, and again if it has
 * ended; undefined if there is none. It ends with the process: close its pages, not itself.
 */
export async function sharedChromium(): Promise<Browser | undefined> {
  const started = await shared.mambagradChromium?.catch(() => undefined);
  if (started?.isRunning !== true) shared.mambagradChromium = startChromium();
  return shared.mambagradChromium;
}

/**
 * A group of tests that need Chromium: `body` defines them, and gets a function that gives the
 * browser while they run. They are skipped where there is none.
 */
export function describeInChromium(name: string, body: (browser: () => Browser) => void): void {
  const isThere = findChromium() !== undefined;
  describe.skipIf(!isThere)(isThere ? name : `${name} (${NO_CHROMIUM})`, () => {
    let browser: Browser | undefined;
    beforeAll(async () => { browser = await sharedChromium(); });
    body(() => {
      if (browser === undefined) {
        throw new Error('the browser is there while tests run, not before');
      }
      return browser;
    });
  });
}
