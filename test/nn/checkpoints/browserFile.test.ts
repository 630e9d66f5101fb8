/**
 * Files in a browser: what safetensors are read from, and downloads. Node has the same Blob and
 * fetch.
 */
import { encodeModel, encodeSafetensors, Linear } from '@mambagrad/nn';
import {
  download, loadModel, loadSafetensors, openSafetensors, showReport,
} from '@mambagrad/nn/browser';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { expectSame } from '../../support/compare.ts';

const state = new Linear(3, 2).stateDict();
const bytes = encodeSafetensors(state);
let server: Server;
let site = '';
beforeAll(async () => {
  server = createServer(({ url }, response) => {
    response.statusCode = url === '/none' ? 404 : 200;
    if (url === '/cut') response.setHeader('Content-Length', 1000);
    response.write(url === '/page' ? '<!doctype html>' : bytes);
    if (url === '/cut') setTimeout(() => response.destroy(), 50);
    else response.end();
  });
  await new Promise<void>((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  site = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());
afterEach(() => vi.unstubAllGlobals());

describe('loadSafetensors', () => {
  it('reads files, blobs, responses and addresses', async () => {
    const file = Object.assign(new Blob([bytes]), { name: 'model.safetensors' });
    const address = `${site}/model`;
    for (const source of [
      file, new Blob([bytes]), new Response(bytes), await fetch(address), address, new URL(address),
    ]) {
      const found = await loadSafetensors(source);
      expect([...found.keys()].sort()).toEqual([...state.keys()].sort());
      for (const [name, x] of found) expectSame(x, state.get(name) ?? x.neg());
    }
  });

  it('opens a file, and reads what is asked for', async () => {
    const metadata = new Map([['step', '7']]);
    const file = await openSafetensors(new Blob([encodeSafetensors(state, { metadata })]));
    expect(file.metadata.get('step')).toBe('7');
    expectSame(file.read('bias'), state.get('bias') ?? file.read('weight'));
    await expect(openSafetensors(`${site}/none`)).rejects.toThrow(
      `openSafetensors: ${site}/none: 404`,
    );
    await expect(openSafetensors(3 as never)).rejects.toThrow('openSafetensors: source is 3');
  });

  it('loads a model that is built from the options in its file', async () => {
    const model = new Linear(3, 2);
    const file = Object.assign(new Blob([encodeModel(model, { inputs: 3 })]), { name: 'linear' });
    const found = await loadModel(file, ({ inputs }: { inputs: number }) => new Linear(inputs, 2));
    for (const [name, x] of found.stateDict()) {
      expectSame(x, model.stateDict().get(name) ?? x.neg());
    }
    await expect(loadModel(file, () => new Linear(4, 2))).rejects.toThrow(
      /weight is f32\[2, 3\].* \(linear\)$/s,
    );
    await expect(loadModel(`${site}/none`, () => new Linear(4, 2))).rejects.toThrow(
      `loadModel: ${site}/none: 404`,
    );
    await expect(loadModel(file, 3 as never)).rejects.toThrow('loadModel: create is 3');
  });

  it('says which file it is that cannot be read, and why', async () => {
    const named = (content: string) => Object.assign(new Blob([content]), { name: 'notes.txt' });
    await expect(loadSafetensors(named('{"a": 1}'))).rejects.toThrow(
      /^safetensors: .* as does JSON \(notes\.txt\)$/,
    );
    await expect(loadSafetensors(new Blob([]))).rejects.toThrow(
      /^safetensors: the file has 0 bytes, too few for its header's length$/,
    );
    await expect(loadSafetensors(`${site}/page`)).rejects.toThrow(
      `as does an HTML or XML page (${site}/page)`,
    );
    await expect(loadSafetensors(`${site}/none`)).rejects.toThrow(
      `loadSafetensors: ${site}/none: 404 Not Found`,
    );
    await expect(loadSafetensors(await fetch(`${site}/none`))).rejects.toThrow(`${site}/none: 404`);
    await expect(loadSafetensors(`${site}/cut`)).rejects.toThrow(
      `loadSafetensors: ${site}/cut cannot be read: `,
    );
    await expect(loadSafetensors('http://127.0.0.1:1/x')).rejects.toThrow(
      'loadSafetensors: http://127.0.0.1:1/x cannot be fetched: ',
    );
    const read = new Response(bytes);
    await read.arrayBuffer();
    await expect(loadSafetensors(read)).rejects.toThrow(
      'loadSafetensors: the source cannot be read: ',
    );
    for (const wrong of [undefined, 3, {}, bytes]) {
      await expect(loadSafetensors(wrong as never)).rejects.toThrow(
        /^loadSafetensors: source is .*(expected an address, a File|missing)/,
      );
    }
  });
});

describe('showReport', () => {
  it('needs a frame, and a page', () => {
    const frame = { srcdoc: '', contentDocument: null };
    expect(() => showReport(frame, '<p>')).toThrow(
      'showReport: this is no page, and has no frames',
    );
    expect(() => showReport({} as never, '<p>')).toThrow(
      'showReport: frame is {}, expected an iframe element',
    );
    expect(() => showReport(frame, 3 as never)).toThrow('showReport: page is 3');
  });
});

describe('download', () => {
  it('clicks on a link to what is to be saved', async () => {
    const links: { href: string; download: string; isClicked: boolean }[] = [];
    vi.stubGlobal('document', {
      createElement: () => {
        const link =
          { href: '', download: '', isClicked: false, click() { this.isClicked = true; } };
        links.push(link);
        return link;
      },
    });
    const blobs: Blob[] = [];
    vi.stubGlobal('URL', {
      createObjectURL: (blob: Blob) => `blob:${blobs.push(blob)}`, revokeObjectURL: () => undefined,
    });
    vi.stubGlobal('setTimeout', () => 0);
    download('model.safetensors', bytes);
    download('report.html', '<p>ä');
    download('again', new Blob([bytes]));
    expect(links).toMatchObject(['model.safetensors', 'report.html', 'again'].map((name, i) => (
      { href: `blob:${i + 1}`, download: name, isClicked: true })));
    const contents = await Promise.all(blobs.map((blob) => blob.arrayBuffer()));
    expect(new Uint8Array(contents[0])).toEqual(bytes);
    expect(new TextDecoder().decode(contents[1])).toBe('<p>ä');
    expect(new Uint8Array(contents[2])).toEqual(bytes);
    expect(() => download('x', new Response('') as never)).toThrow(
      'expected bytes, a text or a Blob',
    );
    expect(() => download('x', state as never)).toThrow('download: content is a Map');
    expect(() => download(undefined as never, bytes)).toThrow('download: name is missing');
  });

  it('needs a page', () => {
    expect(() => download('x', bytes)).toThrow(
      'download: this is no page, and only a page can download',
    );
  });
});
