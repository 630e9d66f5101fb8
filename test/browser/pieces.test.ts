/**
 * The interactive pieces in Chromium: they draw what their code draws in Node, and keep out of the
 * way.
 */
import type { Server } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { serve } from '../../scripts/book/src/serve.ts';
import {
  type Controls, controls, type PieceName, type Settings,
} from '../../scripts/pictures/src/controls.ts';
import { pictures } from '../../scripts/pictures/src/pictures.ts';
import { drawPiece } from '../../scripts/pictures/src/pieces.ts';
import { describeInChromium, type Page } from '../support/chromium.ts';
import { builtSite, writtenSite } from '../support/site.ts';
import { someOf } from '../support/soak.ts';

const names = Object.keys(controls) as PieceName[];

/** The first page that shows a picture. */
function pageWith(name: string): string {
  const found = [...builtSite()].find(([address, text]) =>
    address.endsWith('.html') && String(text).includes(`src="pictures/${name}.svg"`));
  if (found === undefined) throw new Error(`no page shows ${name}`);
  return found[0];
}

/** What the controls of a piece say at first, but for one, which is moved, and its place. */
function moved(
  own: Controls,
): { settings: Settings; index: number; value: number | string | boolean } {
  const entries = Object.entries(own);
  const settings = Object.fromEntries(entries.map(([key, { value }]) => [key, value]));
  const [key, control] = entries[0];
  const value =
    control.kind === 'range' ? (control.value === control.max ? control.min : control.max)
    : control.kind === 'check' ? !control.value : control.kind === 'text' ? '2, 1'
      : Object.keys(control.options).at(-1) ?? '';
  return { settings: { ...settings, [key]: value }, index: 0, value };
}

describeInChromium('pictures that can be changed', (browser) => {
  let server: Server;
  let base: string;
  let page: Page;

  beforeAll(async () => {
    ({ server, url: base } = await serve(writtenSite(), 0));
    page = await browser().open('about:blank');
  });

  afterAll(async () => {
    server.close();
    await page.close();
  });

  /** Opens the page of a piece, and gives an expression for the piece, once it has its controls. */
  async function open(name: string): Promise<string> {
    await page.goto('about:blank');
    await page.emulate({ width: 390, height: 844 });
    page.messages.length = page.requests.length = 0;
    await page.goto(`${base}${pageWith(name)}`);
    await page.evaluate(
      `document.querySelector('img[src$="pictures/${name}.svg"]').scrollIntoView()`,
    );
    const piece = `document.querySelector('[data-piece="${name}"]')`;
    await page.waitFor(`${piece} !== null`);
    return piece;
  }

  const svgOf = (piece: string): string =>
    `decodeURIComponent(${piece}.querySelector('img').src.replace(/^data:image.svg.xml,/, ''))`;
  const loads = (script: string): boolean =>
    page.requests.some((address) => address.endsWith(`/${script}.js`));

  test.each(someOf(names))('%s is drawn as in Node when a control is moved', async (name) => {
    const piece = await open(name);
    const { settings, index, value } = moved(controls[name]);
    // Whoever only reads loads no packages.
    expect([loads('pieces'), loads('packages'), loads('drawing')]).toEqual([true, false, false]);
    await page.evaluate(`(() => {
      const field = ${piece}.querySelectorAll('input, select')[${index}];
      if (field.type === 'checkbox') field.checked = ${JSON.stringify(value)};
      else field.value = ${JSON.stringify(String(value))};
      field.dispatchEvent(new Event('input', { bubbles: true }));
    })()`);
    await page.waitFor(`${piece}.querySelector('img').src.startsWith('data:')`);
    await page.waitFor(`${piece}.querySelector('.status').textContent === ''`);
    expect(await page.evaluate(svgOf(piece))).toBe(await drawPiece(name, settings));
    expect(await page.evaluate(`${piece}.querySelector('img').naturalWidth > 0`)).toBe(true);
    // A phone has room for it.
    expect(await page.evaluate('document.documentElement.scrollWidth <= innerWidth')).toBe(true);
    const parts = `${piece}.querySelectorAll('label, button, input')`;
    expect(await page.evaluate(`[...${parts}].every((each) =>
      each.getBoundingClientRect().right <= ${piece}.getBoundingClientRect().right)`)).toBe(true);
    await page.evaluate(`[...${piece}.querySelectorAll('button')].at(-1).click()`);
    expect(
      await page.evaluate(`${piece}.querySelector('img').src.endsWith('pictures/${name}.svg')`),
    ).toBe(true);
    expect(page.messages).toEqual([]);
  });

  test('a slider is moved by the keyboard, and its picture follows', async () => {
    const piece = await open('scan-trees');
    await page.evaluate(`${piece}.querySelector('input').focus()`);
    await page.press('ArrowRight');
    await page.waitFor(`${piece}.querySelector('img').src.startsWith('data:')`);
    const settings = { length: 9, chunkSize: 4, algorithm: 'all' };
    expect(await page.evaluate(svgOf(piece))).toBe(await drawPiece('scan-trees', settings));
    expect(await page.evaluate(`${piece}.querySelector('output').textContent`)).toBe('9');
    expect(await page.evaluate(`${piece}.querySelector('img').alt`)).toContain(
      'Scans over 9 steps',
    );
  });

  test('what cannot be drawn is said, and the picture stays', async () => {
    const piece = await open('broadcasting');
    await page.evaluate(`${piece}.querySelector('input').select()`);
    await page.type('3, 2');
    await page.press('Enter');
    await page.waitFor(`/broadcast/.test(${piece}.querySelector('.status').textContent)`);
    expect(page.messages).toEqual([]);
  });

  test('training runs while it is watched, until it is stopped', async () => {
    const piece = await open('training-loss');
    const steps = `Number(${piece}.querySelector('input').value)`;
    const play = `${piece}.querySelector('.playing button')`;
    await page.evaluate(`(() => { const field = ${piece}.querySelector('input'); field.value = 0;
      field.dispatchEvent(new Event('input', { bubbles: true })); })()`);
    await page.evaluate(`${play}.click()`);
    await page.waitFor(`${steps} >= 12`);
    await page.evaluate(`${play}.click()`);
    await page.waitFor(`${piece}.querySelector('img').alt.includes('over ' + ${steps} + ' steps')`);
    const end = await page.evaluate<number>(steps);
    expect(await page.evaluate(svgOf(piece))).toBe(
      await drawPiece('training-loss', { steps: end, lr: 0.5, hidden: 16, seed: 1 }),
    );
    expect(await page.evaluate(`${play}.textContent`)).toBe('Play');
  });

  test('without scripts, and on other pages, a picture is a picture', async () => {
    const html = String(builtSite().get(pageWith('scan-trees')));
    expect(html).toMatch(/<img src="pictures\/scan-trees\.svg" alt="[^"]+">/);
    expect(String(builtSite().get('pictures/scan-trees.svg'))).toBe(await pictures['scan-trees']());
    await page.goto('about:blank');
    page.requests.length = 0;
    await page.goto(`${base}api/nn.html`);
    expect([loads('site'), loads('pieces')]).toEqual([true, false]);
  });
});
