/**
 * Files in a browser: safetensors from whatever holds bytes there, and downloads.
 */
import { type Tensor, TensorError } from '@mambagrad/tensor';
import { messageOf } from '@mambagrad/tensor/host';
import { checkArgument, Kind, string } from '@mambagrad/tensor/options';
import type { Module } from '../modules/module.ts';
import { readModel } from './model.ts';
import { parseSafetensors, type SafetensorsReader } from './safetensors.ts';

/** What holds bytes: a `Blob`, such as the `File` of an input or a drop, or a `Response`. */
export interface BytesSource {
  /** Reads all of them. */
  arrayBuffer(): Promise<ArrayBuffer>;
}

/** The parts of a `Blob` that tell it from a `Response`. */
export interface BlobSource extends BytesSource {
  /** The number of bytes. */
  readonly size: number;
}

/** The parts of a `Response` of `fetch` that are used. */
interface FetchedResponse extends BytesSource {
  readonly ok: boolean;
  readonly status: number;
  readonly statusText: string;
  readonly url: string;
}

interface Link {
  href: string;
  download: string;
  click(): void;
}

/** The parts of pages and workers that are used, as the packages are compiled without the DOM. */
interface Browser {
  readonly fetch: (address: string | { readonly href: string }) => Promise<FetchedResponse>;
  readonly Blob: new (parts: readonly unknown[], options: { readonly type: string }) => object;
  readonly URL: { createObjectURL(blob: object): string; revokeObjectURL(address: string): void };
  readonly document?: { createElement(name: 'a'): Link };
  setTimeout(run: () => void, milliseconds: number): unknown;
}

const browser = globalThis as unknown as Browser;

/** After this many milliseconds the browser has begun a download, and what it reads is copied. */
const DOWNLOAD_BEGINS = 60_000;

type Source = string | { readonly href: string } | BytesSource;

const sources = new Kind<Source>(
  'an address, a File, a Blob or a Response',
  (x) => typeof x === 'string' || (typeof x === 'object' && x !== null &&
    ('href' in x || 'arrayBuffer' in x)),
);

const contents = new Kind<Uint8Array | string | BlobSource>(
  'bytes, a text or a Blob',
  (x) => typeof x === 'string' || x instanceof Uint8Array || x instanceof browser.Blob,
);

/**
 * Opens a safetensors file: reads all of it, checks its header, and converts each tensor when it is
 * asked for. The file is a `File` of an input or a drop, any other `Blob`, a `Response` of `fetch`,
 * or an address (a string or `URL`), which is fetched. Throws if it cannot be read, and as
 * `parseSafetensors` does.
 */
export async function openSafetensors(source: Source): Promise<SafetensorsReader> {
  return open('openSafetensors', source);
}

/** Reads every tensor of a safetensors file, by name. The file is one for `openSafetensors`. */
export async function loadSafetensors(source: Source): Promise<Map<string, Tensor>> {
  return (await open('loadSafetensors', source)).readAll();
}

/**
 * The model in a file that `saveModel` of Node or `encodeModel` has made; the file is one for
 * `openSafetensors`. `create` builds it from its options:
 * `(options: ForecasterOptions) => new Forecaster(options)`. Throws if the weights do not fit the
 * model that it gives, naming all that differ.
 */
export async function loadModel<Options, Model extends Module>(
  source: Source, create: (options: Options) => Model,
): Promise<Model> {
  const { bytes, name } = await read('loadModel', source);
  return naming(name, () => readModel('loadModel', parseSafetensors(bytes), create));
}

async function open(op: string, source: Source): Promise<SafetensorsReader> {
  const { bytes, name } = await read(op, source);
  return naming(name, () => parseSafetensors(bytes));
}

/** What `work` gives. Its errors name the file, if that has a name. */
function naming<T>(name: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (!(cause instanceof TensorError) || name === '') throw cause;
    throw new TensorError(`${cause.message} (${name})`, { cause });
  }
}

/** All bytes of a source, and its name or address, if it has one. */
async function read(
  op: string, source: Source,
): Promise<{ bytes: Uint8Array; name: string }> {
  checkArgument(op, 'source', source, sources);
  const isAddress = typeof source === 'string' || 'href' in source;
  const found = isAddress ? await fetched(op, source) : source;
  const { name = '', url = name, ok = true, status, statusText } =
    found as Partial<FetchedResponse> & { readonly name?: string };
  if (!ok) throw new TensorError(`${op}: ${url}: ${status} ${statusText}`.trimEnd());
  try {
    return { bytes: new Uint8Array(await found.arrayBuffer()), name: url };
  } catch (cause) {
    throw new TensorError(
      `${op}: ${url || 'the source'} cannot be read: ${messageOf(cause)}`, { cause },
    );
  }
}

async function fetched(
  op: string, address: string | { readonly href: string },
): Promise<BytesSource> {
  try {
    return await browser.fetch(address);
  } catch (cause) {
    const url = typeof address === 'string' ? address : address.href;
    throw new TensorError(
      `${op}: ${url} cannot be fetched: ${messageOf(cause)}`, { cause },
    );
  }
}

/**
 * Lets the user save a file under the name `name`: bytes such as those of `encodeSafetensors`, a
 * text such as that of `reportPage`, or a `Blob`. Works in pages; a worker posts its bytes to the
 * page. Browsers may ask, or refuse, if a page starts several downloads without a click.
 */
export function download(name: string, content: Uint8Array | string | BlobSource): void {
  checkArgument('download', 'name', name, string);
  checkArgument('download', 'content', content, contents);
  const { document, URL, Blob } = browser;
  if (document === undefined) {
    throw new TensorError(
      'download: this is no page, and only a page can download; post the bytes to it, or in Node ' +
        'write a file',
    );
  }
  const address = URL.createObjectURL(new Blob([content], { type: 'application/octet-stream' }));
  const link = document.createElement('a');
  link.href = address;
  link.download = name;
  link.click();
  browser.setTimeout(() => URL.revokeObjectURL(address), DOWNLOAD_BEGINS);
}
