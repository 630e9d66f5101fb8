/** The site in Chromium: at all widths, with the keyboard, from a server and from files. */
import { rmSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { html, jsonInScript } from '../../scripts/book/src/html.ts';
import { layOut } from '../../scripts/book/src/layout.ts';
import { renderMarkdown } from '../../scripts/book/src/markdown.ts';
import { serve } from '../../scripts/book/src/serve.ts';
import { describeInChromium, type Page, type View } from '../support/chromium.ts';
import { oneOf, someOf } from '../support/soak.ts';
import { writtenSite } from '../support/site.ts';

const phone = { width: 390, height: 844 };
const desktop = { width: 1280, height: 900 };

/** Numbers all that can be used on a page, in the order of the document, and says how many. */
const numberControls = `{
  const kinds = 'a[href], button, input, select, textarea, summary';
  const controls = [...document.querySelectorAll(kinds)]
    .filter((each) => each.checkVisibility({ visibilityProperty: true }) && !each.disabled &&
      each.tabIndex >= 0);
  controls.forEach((each, i) => { each.dataset.place = i; });
  controls.length;
}`;

/** What has the focus. */
interface Focused {
  /** Its number; undefined if it has none. */
  readonly place?: string;
  readonly name: string;
  /** Whether one sees that it has the focus. */
  readonly isMarked: boolean;
  readonly isInView: boolean;
  /** Whether there is something to be done with it. */
  readonly isControl: boolean;
}

const focused = `{
  const at = document.activeElement;
  const { top, bottom, left, right } = at.getBoundingClientRect();
  const { outlineStyle, outlineWidth } = getComputedStyle(at);
  const editor = at.closest('.editor');
  ({
    place: at.dataset.place, name: at.outerHTML.slice(0, 100),
    isMarked: outlineStyle !== 'none' && parseFloat(outlineWidth) > 0 ||
      editor !== null && / 2px inset$/.test(getComputedStyle(editor).boxShadow),
    isInView: bottom > 0 && top < innerHeight && right > 0 && left < innerWidth,
    isControl: at.dataset.place !== undefined || at.scrollWidth > at.clientWidth ||
      at.scrollHeight > at.clientHeight,
  });
}`;

describeInChromium('the site', (browser) => {
  let folder: string;
  let server: Server;
  let base: string;
  let page: Page;

  beforeAll(async () => {
    folder = writtenSite();
    ({ server, url: base } = await serve(folder, 0));
    page = await browser().open('about:blank');
  });

  afterAll(async () => {
    server.close();
    await page.close();
  });

  /** Goes to an address in the tab of all tests. */
  async function goto(address: string, view: View): Promise<void> {
    // Another fragment of the page that is there would load nothing.
    await page.goto('about:blank');
    await page.emulate({ dark: false, print: false, ...view });
    page.messages.length = page.requests.length = 0;
    await page.goto(address);
  }

  /** Uses a page, which has to be quiet, and to ask its own host alone. */
  async function on(
    address: string, view: View, use: (page: Page) => Promise<void>,
  ): Promise<void> {
    await goto(address, view);
    await use(page);
    expect(page.messages).toEqual([]);
    expect(page.requests.filter((each) => !each.startsWith(new URL('.', address).origin) &&
      !each.startsWith(pathToFileURL(folder).href))).toEqual([]);
    expect(page.requests.length).toBeGreaterThan(2);
  }

  const textOf = (page: Page, selector: string) =>
    page.evaluate<string | undefined>(
      `document.querySelector(${JSON.stringify(selector)})?.textContent`,
    );
  const isShown = (page: Page, selector: string) =>
    page.evaluate<boolean>(`document.querySelector(${JSON.stringify(selector)}).checkVisibility()`);

  const starts = [
    ['from a server', () => base], ['from files', () => `${pathToFileURL(folder).href}/`],
  ] as const;
  describe.each(oneOf(starts))(
    '%s', (_, start) => {
      test('search is loaded when it is used, and opens what it finds', () =>
        on(`${start()}25-training.html`, desktop, async (page) => {
          const hasIndex = () => page.requests.some((address) => address.endsWith('/index.js'));
          expect(hasIndex()).toBe(false);
          await page.press('/');
          expect(await page.evaluate('document.activeElement.id')).toBe('search');
          await page.type('warmUp');
          await page.waitFor("document.querySelectorAll('#results a').length > 1");
          expect(hasIndex()).toBe(true);
          expect(await textOf(page, '#results [aria-selected=true] .heading')).toBe('warmUp');
          const selected = () => page.evaluate("document.querySelector('[aria-selected=true]').id");
          await page.press('ArrowDown');
          expect(await selected()).toBe('result-1');
          expect(
            await page.evaluate("document.activeElement.getAttribute('aria-activedescendant')"),
          ).toBe('result-1');
          await page.press('ArrowUp');
          await page.press('Enter');
          await page.waitFor(
            "location.pathname.endsWith('/api/nn.html') && document.readyState === 'complete'",
          );
          expect(await page.evaluate('location.hash')).toBe('#warmup');
          expect(await page.evaluate(
            "Math.round(document.getElementById('warmup').getBoundingClientRect().top) < 200",
          ))
            .toBe(true);
        }));

      test('the choice of colours is kept', () =>
        on(`${start()}index.html`, { ...desktop, dark: false }, async (page) => {
          const ground = () => page.evaluate('getComputedStyle(document.body).backgroundColor');
          const pressed = () =>
            page.evaluate("document.getElementById('theme').getAttribute('aria-pressed')");
          const day = await ground();
          expect(await pressed()).toBe('false');
          await page.click('#theme');
          const night = await ground();
          expect(night).not.toBe(day);
          expect(await pressed()).toBe('true');
          await page.reload();
          expect(await ground()).toBe(night);
          expect(await pressed()).toBe('true');
          await page.click('#theme');
          expect(await ground()).toBe(day);
          await page.evaluate('localStorage.clear()');
        }));
    },
  );

  test('without a choice, colours are those of the system', () =>
    on(`${base}index.html`, { ...desktop, dark: true }, async (page) => {
      const ground = () => page.evaluate('getComputedStyle(document.body).backgroundColor');
      const night = await ground();
      await page.emulate({ dark: false });
      expect(await ground()).not.toBe(night);
      // Paper is white at night, too.
      const day = await ground();
      await page.emulate({ dark: true, print: true });
      expect(await ground()).toBe(day);
      for (const selector of ['.bar', '#menu', '#toc', '.turn']) {
        expect(await isShown(page, selector)).toBe(false);
      }
    }));

  test('the search ends by Escape, and says when it finds nothing', () =>
    on(`${base}index.html`, desktop, async (page) => {
      await page.press('/');
      await page.type('zzxq');
      await page.waitFor("!document.getElementById('results').hidden");
      expect(await textOf(page, '#results')).toContain('Nothing found');
      await page.press('Escape');
      expect(await page.evaluate("document.getElementById('results').hidden")).toBe(true);
      await page.type('/');
      expect(await page.evaluate("document.getElementById('search').value")).toBe('/');
    }));

  test('at the width of a phone the contents open and close', () =>
    on(`${base}08-mamba.html`, phone, async (page) => {
      expect(await isShown(page, '#menu')).toBe(false);
      await page.click('.icon.menu');
      expect(await isShown(page, '#menu')).toBe(true);
      const isInView = "(({ top, bottom }) => top > 0 && bottom < innerHeight)" +
        "(document.querySelector('#menu [aria-current=page]').getBoundingClientRect())";
      await page.waitFor(isInView);
      // The bar stays in sight, with the button that closes the contents again.
      expect(await page.evaluate("document.getElementById('menu').getBoundingClientRect().top >= " +
        "document.querySelector('.bar').getBoundingClientRect().bottom - 1")).toBe(true);
      await page.press('Escape');
      expect(await isShown(page, '#menu')).toBe(false);
      await page.click('.icon.toc');
      expect(await isShown(page, '#toc')).toBe(true);
      await page.click('#toc a');
      expect(await isShown(page, '#toc')).toBe(false);
      expect(await page.evaluate('location.hash')).toMatch(/^#./);
    }));

  test('nothing is wider than the window', () =>
    on(`${base}index.html`, phone, async (page) => {
      const addresses = ['index.html', '18-fusion.html', '25-training.html',
        '09-does-it-select.html', 'api/nn-node.html', 'contributing.html', 'source/index.html',
        'source/packages/wasm/src/threads/threads.ts.html'];
      for (const address of someOf(addresses)) {
        await page.goto(base + address);
        for (const width of [320, 700, 1280]) {
          await page.emulate({ width });
          const found = await page.evaluate('document.documentElement.scrollWidth');
          expect(found, `${address} at ${width}`).toBe(width);
        }
      }
    }));

  test('a page that is missing says what was asked for, and searches for its words', async () => {
    await goto(`${base}old/deep/03-autograd.html`, desktop);
    expect(await textOf(page, '#asked')).toBe('/old/deep/03-autograd.html');
    expect(await page.evaluate('document.activeElement.id')).toBe('search');
    expect(await page.evaluate('document.activeElement.value')).toBe('autograd');
    await page.waitFor("document.querySelectorAll('#results a').length > 1");
    expect(await page.evaluate('document.styleSheets.length')).toBe(1);
    await page.press('Enter');
    await page.waitFor("document.readyState === 'complete' && !location.pathname.includes('old')");
    expect(await textOf(page, 'main')).toContain('utograd');
    expect(await textOf(page, 'title')).not.toContain('no such page');
  });

  test.each(oneOf(['02-tensors.html', 'playground.html']))(
    'all of %s is reached by Tab, in order, and shows that it has the focus', (address) =>
      on(base + address, desktop, async (page) => {
        // Pictures get their controls when they come near.
        await page.waitFor(`(() => {
          const next = [...document.querySelectorAll('main img')]
            .find((each) => !each.closest('.piece'));
          next?.scrollIntoView();
          return next === undefined;
        })()`);
        await page.evaluate('scrollTo(0, 0)');
        const count = await page.evaluate<number>(numberControls);
        expect(count).toBeGreaterThan(30);
        const places: number[] = [];
        for (let tabs = 0; tabs < 2 * count && places.at(-1) !== count - 1; tabs++) {
          // In an editor Tab indents; after Escape it leads on.
          if (await page.evaluate("document.activeElement.tagName === 'TEXTAREA'")) {
            await page.press('Escape');
          }
          await page.press('Tab');
          const { place, name, ...found } = await page.evaluate<Focused>(focused);
          // What can be scrolled gets the focus, too.
          expect(found, name).toEqual({ isMarked: true, isInView: true, isControl: true });
          if (place !== undefined) places.push(Number(place));
        }
        expect(places).toEqual(Array.from({ length: count }, (_, i) => i));
      }),
  );

  test('the controls of a picture are not wider than the window, either', () =>
    on(`${base}23-threads.html`, { ...phone, width: 320 }, async (page) => {
      await page.evaluate("document.querySelector('main img').scrollIntoView()");
      await page.waitFor("document.querySelector('.playing') !== null");
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(320);
    }));

  test('at the width of a phone the search takes the whole bar while it is used', () =>
    on(`${base}index.html`, phone, async (page) => {
      const width = () => page.evaluate<number>("document.getElementById('search').clientWidth");
      expect(await width()).toBeLessThan(200);
      await page.click('#search');
      expect(await width()).toBeGreaterThan(350);
    }));

  test('a line of a source is shown and marked', () =>
    on(`${base}source/packages/wasm/src/threads/threads.ts.html#L40`, desktop, async (page) => {
      const top =
        await page.evaluate<number>("document.getElementById('L40').getBoundingClientRect().top");
      expect(top).toBeGreaterThan(0);
      expect(top).toBeLessThan(900);
      const ground = (id: string) =>
        page.evaluate(`getComputedStyle(document.getElementById('${id}')).backgroundColor`);
      expect(await ground('L40')).not.toBe(await ground('L41'));
    }));

  test('the first Tab skips to the text', () =>
    on(`${base}25-training.html`, desktop, async (page) => {
      await page.press('Tab');
      expect(await textOf(page, ':focus')).toBe('Skip to the text');
      await page.press('Enter');
      expect(await page.evaluate('document.activeElement.id')).toBe('content');
    }));

  test('hostile text is shown, and never runs', async () => {
    const evil = '</script><script>hacked = 1</script><img src=x onerror="hacked = 1">';
    const text = `# ${evil}\n\n[a](javascript:hacked=1) ${evil}\n\n\`\`\`ts\n// ` +
      `${evil}\n\`\`\`\n\n- \`${evil}\`\n`;
    const links = { to: (target: string) => target, ofCode: () => undefined };
    const { body, sections } = renderMarkdown('evil.md', text, { links, isRunnable: true });
    const program =
      { blocks: [{ line: 5, code: `// ${evil}`, expected: [{ line: 1, text: evil }] }] };
    const data =
      html`<script type="application/json" id="program">${jsonInScript(program)}</script>`;
    const sheet = {
      address: 'evil.html', title: evil, description: evil, body, sections, menu: html`${evil}`,
      data,
    };
    const file = join(folder, `evil-${process.pid}.html`);
    writeFileSync(file, layOut(sheet));
    onTestFinished(() => rmSync(file));
    await on(base + basename(file), desktop, async (page) => {
      expect(await page.evaluate('typeof hacked')).toBe('undefined');
      expect(await textOf(page, 'h1')).toBe(evil);
      expect(await textOf(page, 'main > p')).toBe(`[a](javascript:hacked=1) ${evil}`);
      expect(await textOf(page, 'pre')).toBe(`// ${evil}\n`);
      expect(await textOf(page, 'title')).toBe(`${evil} · mambagrad`);
      expect(await page.evaluate("JSON.parse(document.getElementById('program').textContent)"))
        .toEqual(program);
      expect(await page.evaluate("document.querySelectorAll('img').length")).toBe(0);
    });
  });

  test('a script that asks another host for something is refused', async () => {
    await goto(`${base}index.html`, desktop);
    const refused = await page.evaluate<string[]>(`(async () => {
      const tries = [
        () => fetch(${JSON.stringify(base)}),
        () => new Promise((done, fail) => {
          const image = new Image();
          [image.onload, image.onerror, image.src] = [done, fail, 'https://example.org/x.png'];
        }),
        () => new Promise((done, fail) => {
          const script = document.createElement('script');
          [script.onload, script.onerror, script.src] = [done, fail, 'https://example.org/x.js'];
          document.head.append(script);
        }),
      ];
      const results = await Promise.allSettled(tries.map((one) => one()));
      return results.map(({ status }) => status);
    })()`);
    expect(refused).toEqual(['rejected', 'rejected', 'rejected']);
    expect(page.errors.join('\n')).toContain('Content Security Policy');
  });
});
