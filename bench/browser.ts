/**
 * What the packages do in a browser, in Chromium: how fast a training step is beside Node, with one
 * thread and with two, how long a page is held up by a worker that trains, and how many bytes a
 * reader of the site waits for.
 *
 *     npm run bench browser -- --node PATH --rounds 10 --steps 5
 *
 * All times are of one run. Those who are compared take turns, and the least time of each counts:
 * other programs only make it longer. A Node with about the V8 of the browser compares best; give
 * its path. `--json` prints the figures as JSON alone.
 */
import { NO_CHROMIUM, serve, startChromium } from '#chromium';
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type Contestant, inChromium, inNode } from './support/browser/contestants.ts';
import { busyTimes } from './support/browser/busy.ts';
import { format } from './support/browser/report.ts';
import { siteBytes } from './support/browser/site.ts';

/** That of `bench:step`. */
const sizes = { vocab: 16, hidden: 64, layers: 2, state: 16, headDim: 32, batch: 8, length: 256 };

function readSettings() {
  const { values } = parseArgs({
    options: {
      node: { type: 'string', multiple: true, default: [] },
      rounds: { type: 'string', default: '10' },
      steps: { type: 'string', default: '5' },
      json: { type: 'boolean', default: false },
    },
  });
  const [rounds, steps] = (['rounds', 'steps'] as const).map((name) => {
    const count = Number(values[name]);
    if (Number.isInteger(count) && count >= 1) return count;
    throw new Error(`--${name} takes a whole number from 1, not '${values[name]}'`);
  });
  return { nodes: [process.execPath, ...values.node], rounds, steps, json: values.json };
}

/** `Node 26.12.1, V8 14.6.202.34`, as a Node says it. */
function versionsOf(node: string): string {
  const print = '`Node ${process.versions.node}, V8 ${process.versions.v8.split("-")[0]}`';
  return execFileSync(node, ['-p', print], { encoding: 'utf8' }).trim();
}

/** The least milliseconds of a step for each, who take turns. */
async function leastTimes(
  all: readonly Contestant[], rounds: number, steps: number,
): Promise<number[]> {
  const least = all.map(() => Infinity);
  for (const one of all) await one.run(2 * steps); // engines make code fast while it runs
  for (let round = 0; round < rounds; round++) {
    for (const [i, one] of all.entries()) {
      least[i] = Math.min(least[i], ...await one.run(steps));
    }
  }
  return least;
}

async function run(): Promise<void> {
  const { nodes, rounds, steps, json } = readSettings();
  const browser = await startChromium();
  if (browser === undefined) throw new Error(NO_CHROMIUM);
  const { chromium, v8 } = await browser.version();
  const bench = fileURLToPath(new URL('.', import.meta.url));
  const options = { modules: { bench }, pages: { '/': '<!doctype html><title>bench</title>' } };
  const plain = await serve(options);
  const isolated = await serve({ ...options, isolated: true });
  const contestants: Contestant[] = [];
  try {
    for (const node of nodes) contestants.push(await inNode(node, versionsOf(node), sizes));
    const name = `Chromium ${chromium}, V8 ${v8}`;
    contestants.push(await inChromium(browser, plain, name, sizes, 1));
    contestants.push(await inChromium(browser, isolated, name, sizes, 2));
    const least = await leastTimes(contestants, rounds, steps);
    const times = contestants.map(({ name, threads }, i) => (
      { name, threads, milliseconds: least[i] }
    ));
    for (const each of contestants.splice(0)) await each.close();
    const busy = await busyTimes(browser, isolated, sizes);
    const site = await siteBytes(browser);
    const figures = { times, busy, site };
    console.log(json ? JSON.stringify({ sizes, ...figures }) : format(sizes, figures));
  } finally {
    for (const each of contestants) await each.close();
    await browser.close();
    await Promise.all([plain.close(), isolated.close()]);
  }
}

try {
  await run();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
}
