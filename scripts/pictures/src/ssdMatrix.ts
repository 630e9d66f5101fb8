/**
 * SSD's matrix: y = M x, where M[t, s] = C_t · B_s times the decays from s to t, and 0 above the
 * diagonal. Within chunks it is computed as it is. Between chunks it is a product of thin matrices:
 * what a chunk writes to the state, the decay to a later chunk, and what that reads. So those
 * blocks have at most the rank of the state. The values are the Jacobian of `ssd`.
 */
import { ssd } from '@mambagrad/mamba';
import { Generator, jacobian, type Tensor, uniform } from '@mambagrad/tensor';
import { shades } from './grid.ts';
import { box, type Mark, number, picture, text, WIDTH } from './kit.ts';

/** The sizes, and the seed of Δ, B and C. */
export interface SsdMatrixOptions {
  readonly length?: number;
  readonly chunkSize?: number;
  readonly stateSize?: number;
  readonly seed?: number;
}

/** M of one head with one channel, [length, length]. */
export function matrixOf(length: number, stateSize: number, seed: number): Tensor {
  const generator = new Generator(seed);
  const draw = (shape: readonly number[], low: number, high: number): Tensor =>
    uniform(shape, low, high, { generator }).cast('f64');
  const dt = draw([1, length, 1], 0.05, 0.5);
  const A = dt.mul(0).add(-1).narrow(1, 0, 1).reshape([1]);
  const [B, C] = [draw([1, length, 1, stateSize], 0.3, 1), draw([1, length, 1, stateSize], 0.3, 1)];
  const outputs = (x: Tensor): Tensor =>
    ssd(x.reshape([1, length, 1, 1]), dt, A, B, C, { algorithm: 'recurrent' }).y.reshape([length]);
  return jacobian(outputs, draw([length], 0, 1));
}

const [LEFT, TOP, SIZE] = [70, 52, 334];
/** The width of a chunk that has room for its name. */
const NAMED = 60;

/** Draws M with its chunks. */
export function draw(options: SsdMatrixOptions = {}): string {
  const { length = 16, chunkSize = 4, stateSize = 2, seed = 1 } = options;
  const M = matrixOf(length, stateSize, seed);
  const largest = M.abs().max().item();
  const rows = Array.from({ length }, (_, t) => Array.from({ length }, (_, s) =>
    s > t ? undefined : M.data[t * length + s] / largest));
  const chunks = Math.ceil(length / chunkSize);
  const unit = SIZE / length;
  const block = (i: number, j: number): Mark => {
    const size = (k: number): number => Math.min(chunkSize, length - k * chunkSize) * unit;
    const [x, y] = [LEFT + j * chunkSize * unit, TOP + i * chunkSize * unit];
    const place = { x, y, width: size(j), height: size(i) };
    const isDiagonal = i === j;
    return box(place, {
      outline: isDiagonal ? 'c0' : 'c2', class: isDiagonal ? 'thick' : 'dashed',
    });
  };
  const pairs = Array.from({ length: chunks }, (_, i) =>
    Array.from({ length: i + 1 }, (_, j) => [i, j]));
  // The diagonal blocks last, so that their outlines are on top.
  const blocks = pairs.flat().sort(([i, j], [k, l]) => (k - l) - (i - j));
  const bottom = TOP + SIZE;
  return picture({
    height: bottom + 74,
    title: `The matrix of a scan over ${length} steps, in chunks of ${chunkSize}`,
    description: 'Output t depends on the inputs up to t, on earlier ones less. ' +
      `The largest entry is ${number(largest)}. ${chunks} blocks on the diagonal are ` +
      `computed whole; the blocks below it have at most the rank ${stateSize}.`,
  }, [
    text(LEFT + SIZE / 2, 16, 'input s →', { anchor: 'middle', class: 'small', color: 'quiet' }),
    text(14, TOP + 10, 'output', { class: 'small', color: 'quiet' }),
    text(14, TOP + 28, 't ↓', { class: 'small', color: 'quiet' }),
    ...Array.from({ length: chunks }, (_, i) => {
      const [from, to] = [i * chunkSize, Math.min((i + 1) * chunkSize, length)];
      const wide = (to - from) * unit;
      const name = wide < NAMED ? String(i) : `chunk ${i}`;
      // A number that has no room is left out.
      return wide < 8 * name.length ? '' : text(LEFT + (from + to) / 2 * unit, 36, name, {
        anchor: 'middle', class: 'small',
      });
    }),
    shades({ x: LEFT, y: TOP, width: SIZE, height: SIZE }, rows),
    ...blocks.map(([i, j]) => block(i, j)),
    box({ x: 14, y: bottom + 20, width: 16, height: 16 }, { outline: 'c0', class: 'thick' }),
    text(40, bottom + 28, 'within a chunk: a product of matrices', { class: 'small', color: 'c0' }),
    box({ x: 14, y: bottom + 46, width: 16, height: 16 }, { outline: 'c2', class: 'dashed' }),
    text(40, bottom + 54, `between chunks: through the state, rank ≤ ${stateSize}`, {
      class: 'small', color: 'c2',
    }),
    text(WIDTH - 40, TOP + SIZE * 0.3, '0', { anchor: 'end', class: 'small', color: 'quiet' }),
  ]);
}
