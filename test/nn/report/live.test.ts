/** The live page: served while fit runs, to those who look, and to this machine alone. */
import {
  Linear, mseLoss, type ProgressOutput, SGD, Trainer, type TrainerOptions,
} from '@mambagrad/nn';
import { runFolder } from '@mambagrad/nn/node';
import { ones, type Tensor } from '@mambagrad/tensor';
import { mkdtempSync, rmSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { openLivePage } from '../../../packages/nn/src/report/live.ts';
import { elementsOf, parseMarkup, textOf } from '../../support/markup.ts';

/** A host whose output is kept. */
function hostOf(lines: string[]) {
  const stdout: ProgressOutput = { write: (text) => lines.push(text) };
  return { stdout, once: () => undefined, off: () => undefined };
}

const trainerOf = (more: Partial<TrainerOptions<Tensor>>) => {
  const model = new Linear(2, 1);
  return new Trainer({
    model, optimizer: new SGD(model.parameters(), { lr: 0.1 }), data: () => ones([3, 2]),
    compile: false,
    loss: (x: Tensor) => ({ loss: mseLoss(model.forward(x), ones([3, 1])) }), ...more,
  });
};

/** The address that a fit has printed. */
const addressIn = (lines: readonly string[]): string =>
  /http:\/\/127\.0\.0\.1:\d+\//.exec(lines.join(''))?.[0] ?? 'no address';

interface Answer {
  readonly status: number | undefined;
  readonly type: string | undefined;
  readonly text: string;
}

const request = (url: string, headers = {}): Promise<Answer> => new Promise((resolve, reject) => {
  get(url, { headers, agent: false }, (response: IncomingMessage) => {
    let text = '';
    response.setEncoding('utf8').on('data', (piece: string) => (text += piece));
    response.on('end', () =>
      resolve({ status: response.statusCode, type: response.headers['content-type'], text }),
    );
    response.on('error', reject);
  }).on('error', reject);
});

test('the page shows the steps so far; a stream sends new ones, and the last at the end', async () => {
  const lines: string[] = [];
  let stream: Promise<Answer> | undefined;
  let page: Answer | undefined;
  const trainer = trainerOf({
    host: hostOf(lines),
    callbacks: [async ({ step }) => {
      if (step !== 2) return;
      const address = addressIn(lines);
      page = await request(address);
      stream = request(`${address}events`);
      // Until the stream is open.
      await new Promise((resolve) => setTimeout(resolve, 200));
    }],
  });
  expect(await trainer.fit({ steps: 4, live: true })).toBe('done');
  expect(page).toMatchObject({ status: 200, type: 'text/html; charset=utf-8' });
  const html = parseMarkup(page?.text.slice(page.text.indexOf('\n') + 1) ?? '');
  expect(textOf(elementsOf(html, 'h1')[0])).toBe('Linear');
  expect(textOf(elementsOf(html, 'dl')[0])).toMatch(/^steps2/);
  const messages = (await stream)?.text.split('\n\n') ?? [];
  const last = messages.find((message) => message.startsWith('event: end\ndata: ')) ?? '';
  const content = JSON.parse(last.slice('event: end\ndata: '.length)) as string;
  const main = parseMarkup(`<main>${content}</main>`);
  expect(textOf(elementsOf(main, 'dl')[0])).toMatch(/^steps4/);
  expect(textOf(main)).toContain('Ended: all steps were taken.');
  // The server is gone.
  await expect(request(addressIn(lines))).rejects.toThrow('ECONNREFUSED');
});

test('two runs have a page each, which shows what a resumed run had logged before', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mambagrad-'));
  try {
    await trainerOf(runFolder(folder)).fit(3);
    const [lines, others]: [string[], string[]] = [[], []];
    const seen: string[] = [];
    const look = async () => {
      for (const each of [lines, others]) seen.push((await request(addressIn(each))).text);
    };
    const second = trainerOf({
      host: hostOf(others), callbacks: [() => new Promise((resolve) => setTimeout(resolve, 300))],
    });
    const running = second.fit({ steps: 1, live: true });
    const first =
      trainerOf({ ...runFolder(folder), resume: true, host: hostOf(lines), callbacks: [look] });
    await first.fit({ steps: 4, live: true });
    await running;
    expect(addressIn(lines)).not.toBe(addressIn(others));
    expect(seen[0]).toContain('<dt>steps</dt><dd>4');
    expect(seen[0]).toContain('resumed from');
    expect(seen[1]).not.toContain('resumed from');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('nobody but a browser of this machine gets anything, and nothing but the page', async () => {
  const lines: string[] = [];
  const answers: Answer[] = [];
  await trainerOf({
    host: hostOf(lines),
    callbacks: [async () => {
      const address = addressIn(lines);
      answers.push(
        await request(address, { Host: 'evil.example' }), await request(`${address}package.json`),
        await request(`${address}live.js`),
        await request(address, { Host: address.slice(7, -1).replace('127.0.0.1', 'localhost') }),
      );
    }],
  }).fit({ steps: 1, live: true });
  expect(answers.map(({ status }) => status)).toEqual([403, 404, 200, 200]);
  expect(answers.map(({ text }) => text).slice(0, 2)).toEqual(['forbidden', 'not found']);
  expect(() => new Function(answers[2].text)).not.toThrow();
});

test('without a host the address is printed to the console; where there is no server, fit says so', async () => {
  const log = vi.spyOn(console, 'log').mockImplementation(() => undefined);
  try {
    await trainerOf({}).fit({ steps: 1, live: true });
    expect(log.mock.calls.flat().join()).toMatch(
      /^The run is shown at http:\/\/127\.0\.0\.1:\d+\/ until it ends$/,
    );
    vi.stubGlobal('process', undefined);
    await expect(trainerOf({}).fit({ steps: 1, live: true })).rejects.toThrow(
      'fit: live needs a server, as in Node',
    );
  } finally {
    vi.unstubAllGlobals();
    log.mockRestore();
  }
});

test('the server keeps no process alive', async () => {
  // Node lists what an event loop would wait for.
  const before = process.getActiveResourcesInfo();
  const live = await openLivePage('x', '', { write: () => true });
  try {
    const opened = process.getActiveResourcesInfo().filter((each) => each === 'TCPServerWrap');
    expect(opened).toEqual(before.filter((each) => each === 'TCPServerWrap'));
    expect((await request(live.address)).status).toBe(200);
  } finally {
    await live.close();
  }
});
