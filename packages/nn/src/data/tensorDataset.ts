/**
 * Tensors as a data set: sample i is row i of each of them, along the first axis.
 *
 *     const data = tensorDataset({ x, y });    // x f32[100, 8], y i32[100]
 *     data.at(7)                               // { x: f32[8], y: i32[] }
 */
import { describe, type Tensor, TensorError, zeros } from '@mambagrad/tensor';
import { valuesOf } from '@mambagrad/tensor/extend';
import { checkArgument, Kind, tensors } from '@mambagrad/tensor/options';
import type { Collated } from './collate.ts';
import { LazyDataset } from './dataset.ts';

/** Tensors by name. */
type Fields = Readonly<Record<string, Tensor>>;

const fieldKind = new Kind<Fields>(
  'an object of tensors, such as { x, y }',
  (x) => typeof x === 'object' && x !== null && Object.keys(x).length > 0 &&
    Object.values(x).every((value) => tensors.accepts(value)),
);

class TensorDataset<Sample extends Fields> extends LazyDataset<Sample> {
  readonly length: number;
  readonly #fields: [string, Tensor][];

  constructor(fields: Sample) {
    super();
    this.#fields = Object.entries(fields);
    const [[first, { shape }]] = this.#fields;
    this.length = shape[0] ?? 0;
    for (const [name, x] of this.#fields) {
      if (x.ndim > 0 && x.shape[0] === this.length) continue;
      const found = `${name} is ${describe(x)}, ${first} is ${describe(fields[first])}`;
      throw new TensorError(`tensorDataset: ${found}; expected as many samples on the first axis`);
    }
  }

  protected make(index: number): Sample {
    const row = (x: Tensor): Tensor => x.detach().narrow(0, index, 1).squeeze(0);
    return Object.fromEntries(this.#fields.map(([name, x]) => [name, row(x)])) as Sample;
  }

  protected override makeBatch(indices: ArrayLike<number>): Collated<Sample> {
    const batch = this.#fields.map(([name, x]) => [name, rowsOf(x, indices)] as const);
    // In a trace tensors have no values.
    if (batch.some(([, rows]) => rows === undefined)) return super.makeBatch(indices);
    return Object.fromEntries(batch) as Collated<Sample>;
  }
}

/** From how many numbers on a row is copied as a whole faster than number by number. */
const LONG_ROW = 16;

/** These rows of a tensor, copied; undefined if it has no values. */
function rowsOf(x: Tensor, indices: ArrayLike<number>): Tensor | undefined {
  const from = valuesOf(x);
  if (from === undefined) return undefined;
  const shape = x.shape.with(0, indices.length);
  const rows = zeros(shape, { dtype: x.dtype });
  // Nothing else has this array yet, so it can be written.
  const { data } = rows;
  const size = data.length / indices.length;
  for (let i = 0; i < indices.length; i++) {
    const start = indices[i] * size;
    if (size > LONG_ROW) data.set(from.subarray(start, start + size), i * size);
    else for (let j = 0; j < size; j++) data[i * size + j] = from[start + j];
  }
  return rows;
}

/**
 * A lazy data set of tensors that have a sample in each row: an object of them gives samples that
 * are objects with the same fields, without the first axis. A `DataLoader` makes batches of it.
 * Throws if they differ in their number of rows. Gradients do not flow into the tensors.
 */
export function tensorDataset<Sample extends Fields>(fields: Sample): LazyDataset<Sample> {
  checkArgument('tensorDataset', 'fields', fields, fieldKind);
  return new TensorDataset(fields);
}
