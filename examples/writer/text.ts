/**
 * A text to learn from, as bytes. Every tenth block of it is held out: the model never learns from
 * these bytes, so how well it predicts them says what it knows of texts like this one. It is
 * measured in bits per byte, the mean of −log₂ P(byte): a program that compresses by means of such
 * a model would need that much room, so compressors and models can be compared.
 */
import { byteTokenizer } from '@mambagrad/mamba';
import { integers, type Tensor, tensor } from '@mambagrad/tensor';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { fail, orFail, root } from '../files.ts';
import { NGram } from '../ngram.ts';

/** The most bytes of a block. */
const BLOCK = 1024;
/** One block of so many is held out. */
const TENTH = 10;

export interface Text {
  readonly text: string;
  /** The bytes to learn from: those of all other blocks. */
  readonly training: Uint8Array;
  /** The blocks that are held out, all of one length. */
  readonly heldOut: readonly Uint8Array[];
}

/** The sources of all packages, one after the other. */
function ownSources(): string {
  const packages = join(root, 'packages');
  const files = readdirSync(packages, { recursive: true, encoding: 'utf8' });
  const sources = files.filter((file) => /^\w+[/\\]src[/\\].*\.ts$/.test(file)).sort();
  return sources.map((file) => readFileSync(join(packages, file), 'utf8')).join('\n');
}

/** Reads a file, or the sources of this repository, for pieces of `length` bytes. */
export function readText(file: string | undefined, length: number): Text {
  const text = file === undefined ? ownSources() : readFile(file);
  const bytes = Uint8Array.from(byteTokenizer.encode(text));
  const size = Math.min(BLOCK, Math.floor(bytes.length / TENTH));
  const count = size > 0 ? Math.ceil(bytes.length / size) : 0;
  const blocks = Array.from({ length: count }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
  const isHeldOut = (i: number) => i % TENTH === TENTH - 1;
  const training = Buffer.concat(blocks.filter((_, i) => !isHeldOut(i)));
  const heldOut = blocks.filter((block, i) => isHeldOut(i) && block.length === size && size > 1);
  if (training.length <= length || heldOut.length === 0) {
    fail(
      `the text has ${bytes.length} bytes, of which a tenth is held out; expected more than ` +
        `--length ${length} in the rest`,
    );
  }
  return { text, training, heldOut };
}

const readFile = (file: string): string => orFail(() => readFileSync(file, 'utf8'));

/** Pieces of the training part from anywhere, each with the byte after it: [batch, length + 1]. */
export function drawPieces({ training }: Text, batch: number, length: number): Tensor {
  const starts = Array.from(integers([batch], 0, training.length - length).data);
  const pieces = starts.map((start) => [...training.subarray(start, start + length + 1)]);
  return tensor(pieces, { dtype: 'i32' });
}

/** Up to `count` of the blocks that are held out, spread over the text, as batches of eight. */
export function heldOutBatches({ heldOut }: Text, count = Infinity): Tensor[] {
  const every = Math.max(1, heldOut.length / count);
  const chosen = heldOut.filter((_, i) => Math.floor(i / every) > Math.floor((i - 1) / every));
  return Array.from({ length: Math.ceil(chosen.length / 8) }, (_, i) =>
    tensor(chosen.slice(8 * i, 8 * i + 8).map((block) => [...block]), { dtype: 'i32' }));
}

/** What the part that is held out needs without a neural network, in bits per byte. */
export function baselines({ training, heldOut }: Text): (readonly [name: string, bits: number])[] {
  const all = Buffer.concat(heldOut);
  const counts = new NGram(4, 256).learn(training);
  return [
    ['gzip, of these bytes alone', (8 * gzipSync(all, { level: 9 }).length) / all.length],
    ['counts of groups of four bytes', counts.bits(heldOut, 1)],
  ];
}
