/**
 * The pages of the exercises in Chromium: solutions pass, a mistake gets the words that it gets in
 * Node, a loop without end is stopped, and answers are kept. The exercises have to be compiled.
 */
import type { Server } from 'node:http';
import { pathToFileURL } from 'node:url';
import * as k from '@mambagrad/kernel';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { check } from '../../exercises/checks/check.ts';
import { exercises } from '../../exercises/checks/exercises.ts';
import { textOf } from '../../exercises/checks/report.ts';
import type { ExerciseData } from '../../scripts/book/src/exercises.ts';
import { serve } from '../../scripts/book/src/serve.ts';
import { describeInChromium, type Page } from '../support/chromium.ts';
import { builtSite, writtenSite } from '../support/site.ts';
import { someOf } from '../support/soak.ts';

/** A mistake in each solution: what is replaced, and by what. */
const mistakes: Readonly<Record<string, readonly [string, string]>> = {
  backward: ['grad +=', 'grad ='],
  op: ['+ 4', '+ 3'],
  combine: ['later.a * earlier.b', 'earlier.b'],
  chunks: ['joined.at(-1) ?? 0', '0'],
  scan: ['delta[t][d] * B', 'B'],
  fusion: ["element === 'same' && ", ''],
  liveness: ['?? -1', '?? 0'],
  microkernel: ['row * depth', 'row'],
};

/** The module that a code makes. */
function moduleOf(code: string, names: readonly string[]): object {
  const body = code.replace(/^import .*$/m, '').replaceAll(/^export /gm, '');
  return Function('k', `${body}\nreturn { ${names.join(', ')} };`)(k) as object;
}

describeInChromium('the pages of the exercises', (browser) => {
  let server: Server;
  let base: string;
  let page: Page;
  const all = new Map<string, ExerciseData>();

  beforeAll(async () => {
    ({ server, url: base } = await serve(writtenSite(), 0));
    page = await browser().open(`${base}exercises/combine.html`);
    for (const { name } of exercises) {
      const text = String(builtSite().get(`exercises/${name}.html`));
      const [, json = ''] =
        /<script type="application\/json" id="answer">(.*?)<\/script>/.exec(text) ?? [];
      all.set(name, JSON.parse(json) as ExerciseData);
    }
  });
  afterAll(async () => {
    await page.close();
    server.close();
  });

  const dataOf = (name: string): ExerciseData => {
    const data = all.get(name);
    if (data === undefined) throw new Error(`there is no page of ${name}`);
    return data;
  };

  /** Makes the page that of another exercise, with this answer, and checks it. */
  async function reportOn(name: string, code: string): Promise<string> {
    const data = JSON.stringify({ ...dataOf(name), code });
    await page.evaluate(`new Promise((resolve) => {
      document.getElementById('answer').textContent = ${JSON.stringify(data)};
      document.getElementById('exercise').replaceChildren();
      const script = document.createElement('script');
      [script.src, script.onload] = ['../assets/exercise.js', resolve];
      document.head.append(script);
    })`);
    return checked();
  }

  async function checked(): Promise<string> {
    await page.evaluate("document.querySelector('#exercise .action').click()");
    await page.waitFor(
      "/solved|not yet|stopped/.test(document.querySelector('#exercise .status').textContent)",
      30_000,
    );
    return page.evaluate<string>("document.querySelector('.report').innerText.trim()");
  }

  /** What the command prints below the title. */
  const wordsInNode = (name: string, code: string): string => {
    const exercise = exercises.find((each) => each.name === name);
    if (exercise === undefined) throw new Error(`there is no exercise ${name}`);
    const report = check(exercise, moduleOf(code, exercise.exports));
    return textOf(exercise, report).split('\n').slice(2).join('\n').trim();
  };

  const chosen = someOf(exercises.map(({ name }) => name));

  test.each(chosen)('%s: solution, mistake and original', async (name) => {
    const { code, solution, hints } = dataOf(name);
    expect(hints).toEqual(exercises.find((each) => each.name === name)?.hints);
    expect(code).not.toMatch(/interface|: number/);
    const [part, wrong] = mistakes[name];
    const mistake = solution.replace(part, wrong);
    expect(mistake).not.toBe(solution);
    for (const [answer, words] of [
      [solution, /Done\.$/], [mistake, /✗/], [code, /is not written yet/],
    ] as const) {
      const report = await reportOn(name, answer);
      expect(report).toMatch(words);
      expect(report).toBe(wordsInNode(name, answer));
    }
  });

  test('a loop without end is stopped, with the input on which it hung', async () => {
    await page.goto(`${base}exercises/combine.html`);
    const code =
      'export function combine() { for (;;); }\nexport const identity = () => ({ a: 1, b: 0 });';
    await page.evaluate(`{
      const area = document.querySelector('#exercise textarea');
      area.value = ${JSON.stringify(code)};
      area.dispatchEvent(new Event('input'));
      document.querySelector('#exercise .action').click();
    }`);
    await page.waitFor(
      "document.querySelector('#exercise .status').textContent === 'checking …'", 30_000,
    );
    await page.waitFor("document.querySelector('#exercise [aria-label=Stop]').checkVisibility()");
    await page.click('#exercise [aria-label=Stop]');
    expect(await page.evaluate("document.querySelector('.report').innerText")).toMatch(new RegExp(
      '^Stopped\\. Does a loop never end[^]*' +
        'It was trying: the factors of two steps multiply\non\n  earlier = ',
    ));
    // The answer is there after a reload, as is what was solved; Reset gives the original back.
    await page.reload();
    const answer = () =>
      page.evaluate<string>("document.querySelector('#exercise textarea').value");
    expect(await answer()).toBe(code);
    expect(await page.evaluate("document.querySelectorAll('#menu .solved').length"))
      .toBe(chosen.length);
    await page.evaluate(
      "{ window.confirm = () => true; document.querySelector('[aria-label^=Put]').click(); }",
    );
    expect(await answer()).toBe(dataOf('combine').code);
    expect(page.messages).toEqual([]);
  });

  test('hints come one at a time, the solution on request; from files, too', async () => {
    await page.goto(`${pathToFileURL(writtenSite()).href}/exercises/combine.html`);
    const { hints, solution } = dataOf('combine');
    for (const [i, hint] of hints.entries()) {
      await page.evaluate("document.querySelector('[aria-label^=\"Show hint\"]').click()");
      expect(await page.evaluate("document.querySelectorAll('.hints li').length")).toBe(i + 1);
      expect(await page.evaluate("document.querySelector('.hints li:last-child').textContent"))
        .toBe(hint.replaceAll('`', ''));
    }
    expect(await page.evaluate(
      "document.querySelector('[aria-label^=\"Show hint\"]').checkVisibility()",
    )).toBe(false);
    await page.click('#exercise summary');
    expect(
      await page.evaluate("document.querySelector('#exercise details').textContent"),
    ).not.toContain('later.a');
    await page.click('#exercise details button');
    expect(await page.evaluate("document.querySelector('#exercise details pre').textContent"))
      .toBe(solution);
    expect(await checked()).toContain('combine is not written yet');
    expect(page.messages).toEqual([]);
  });
});
