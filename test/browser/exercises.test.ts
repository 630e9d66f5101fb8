/**
 * The checks of the exercises in Chromium: solutions have all properties, and a wrong answer gets
 * the same report as in Node. The exercises have to be compiled: `npm test` does so.
 */
import { readdirSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { check } from '../../exercises/checks/check.ts';
import { exercises } from '../../exercises/checks/exercises.ts';
import { describeInChromium, type Page } from '../support/chromium.ts';
import { serve, type Server } from '../support/server.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const fastCheck = realpathSync(join(root, 'node_modules/fast-check'));
const pureRand = join(fastCheck, '../pure-rand/lib/esm');

/** The addresses of fast-check and of the package that it needs. */
function importMap(): string {
  const modules = readdirSync(pureRand, { recursive: true }).map((file) => (
    String(file).replaceAll('\\', '/')
  )).filter((file) => file.endsWith('.js'));
  const imports = Object.fromEntries(modules.map((file) => (
    [`pure-rand/${file.replace(/\.js$/, '')}`, `/pure-rand/${file}`]
  )));
  return JSON.stringify({ imports: { 'fast-check': '/fast-check/fast-check.js', ...imports } });
}

/** Checks a module that is given as an expression, in the page. */
const checkIn = (page: Page, name: string, module: string): Promise<unknown> => page.evaluate(`
  Promise.all([import('/exercises/checks/check.js'), import('/exercises/checks/exercises.js')])
    .then(async ([{ check }, { exercises }]) => (
      check(exercises.find((each) => each.name === '${name}'), await ${module})
    ))`);

describeInChromium('exercises in Chromium', (browser) => {
  let server: Server;
  let page: Page;

  beforeAll(async () => {
    server = await serve({
      modules: { exercises: join(root, 'exercises/dist') },
      folders: { 'fast-check': join(fastCheck, 'lib'), 'pure-rand': pureRand },
      pages: {
        '/': '<!doctype html><title>exercises</title><script ' +
          `type="importmap">${importMap()}</script>`,
      },
    });
    page = await browser().open(server.url);
  });
  afterAll(async () => {
    await page.close();
    await server.close();
  });

  test.each(exercises.map(({ name, properties }) => [name, properties.map(({ says }) => says)]))(
    '%s is solved by its solution', async (name, passed) => {
      expect(await checkIn(page, String(name), `import('/exercises/solutions/${String(name)}.js')`))
        .toEqual({ status: 'done', passed });
    },
  );

  test('a wrong answer gets the same report', async () => {
    const wrong = `({
      combine: (earlier, later) => ({ a: later.a * earlier.a, b: earlier.b + later.b }),
      identity: () => ({ a: 1, b: 0 }),
    })`;
    const combine = exercises.find(({ name }) => name === 'combine');
    if (combine === undefined) throw new Error('there is no exercise combine');
    // The expression is evaluated in both engines.
    const module = Function(`return ${wrong}`)() as object;
    expect(await checkIn(page, 'combine', wrong)).toEqual(
      JSON.parse(JSON.stringify(check(combine, module))),
    );
    expect(check(combine, module).status).toBe('failed');
  });
});
