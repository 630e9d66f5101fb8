/**
 * Windows over time series. A model that forecasts sees `length` steps and is asked for the next
 * `horizon`. From one long series, windows make many such samples, each `stride` steps after the
 * one before:
 *
 *     series    0 1 2 3 4 5 6 7          length 3, horizon 2, stride 2
 *     window 0  0 1 2|3 4                input | target
 *     window 1      2 3 4|5 6
 *
 * They are lazy: a window is cut out of the series when it is asked for. Gaps (NaN) become 0, and a
 * mask says where they were, so that NaN reaches neither the model nor the loss.
 */
import { describe, type Shape, Tensor, tensor, TensorError } from '@mambagrad/tensor';
import {
  checkArgument, Kind, oneOf, readOptions, type Table, whole,
} from '@mambagrad/tensor/options';
import { LazyDataset } from './dataset.ts';

/** A series: numbers, one for each step, or a tensor [steps] or [steps, channels]. */
export type Series = Tensor | Float64Array | Float32Array | Int32Array | readonly number[];

/** Options of `windows`. */
export interface WindowOptions {
  /** The number of steps in the input, from 1. */
  readonly length: number;
  /** The number of steps in the target, which follow the input; 0 for none. Default 1. */
  readonly horizon?: number | undefined;
  /** The number of steps from the start of one window to that of the next, from 1. Default 1. */
  readonly stride?: number | undefined;
  /** The number of steps between input and target, which are in neither. Default 0. */
  readonly skip?: number | undefined;
  /**
   * Whether windows with missing values are kept, with masks; dropped; or dropped only if the value
   * is missing in the target. Default 'keep'.
   */
  readonly gaps?: 'keep' | 'drop' | 'dropTargets' | undefined;
}

const windowOptions = {
  length: whole(1).required(),
  horizon: whole().orElse(1),
  stride: whole(1).orElse(1),
  skip: whole().orElse(0),
  gaps: oneOf('keep', 'drop', 'dropTargets').orElse('keep'),
} satisfies Table<WindowOptions>;

/** A window of a series, as tensors without a batch axis. */
export interface SeriesWindow {
  /** The values of the input, f32 [length, channels], 0 where they are missing. */
  readonly input: Tensor;
  /** i32 [length, channels]: 1 where the input has a value, 0 where it is missing. */
  readonly inputMask: Tensor;
  /** The values of the target, f32 [horizon, channels], 0 where they are missing. */
  readonly target: Tensor;
  /** i32 [horizon, channels]: 1 where the target has a value, 0 where it is missing. */
  readonly targetMask: Tensor;
}

/** Where a window begins. */
export interface WindowPosition {
  /** The number of its series. */
  readonly series: number;
  /** The step of that series at which the input begins. */
  readonly start: number;
}

/** A series as numbers, row after row. */
interface Steps {
  readonly data: ArrayLike<number>;
  readonly steps: number;
}

/** Windows over one or more series, in their order. */
export class Windows extends LazyDataset<SeriesWindow> {
  /** The number of windows. */
  readonly length: number;
  readonly #series: readonly Steps[];
  readonly #channels: number;
  readonly #sizes: { readonly length: number; readonly horizon: number; readonly skip: number };
  /** The series of each window, and where it starts. */
  readonly #places: readonly [series: Int32Array, starts: Int32Array];

  /** See `windows`. */
  constructor(series: Series | readonly Series[], options: WindowOptions) {
    super();
    const { stride, gaps, ...sizes } = readOptions('windows', options, windowOptions);
    const given = listOfSeries(series);
    const channels = given.map((one, i) => channelsOf(one, i));
    const different = channels.findIndex((count) => count !== channels[0]);
    if (different >= 0) {
      throw new TensorError(
        `windows: series[${different}] has ${channels[different]} channels, ` +
          `series[0] has ${channels[0]}`,
      );
    }
    this.#channels = channels[0] ?? 1;
    this.#sizes = sizes;
    this.#series = given.map((one) => {
      const data = one instanceof Tensor ? one.data.slice() : Float32Array.from(one);
      return { data, steps: data.length / this.#channels };
    });
    const places = this.#series.map(({ steps }, i) => this.#startsIn(i, steps, stride, gaps));
    this.#places = [
      Int32Array.from(places.flatMap((starts, i) => starts.map(() => i))),
      Int32Array.from(places.flat()),
    ];
    this.length = this.#places[0].length;
  }

  /** The steps at which windows of a series start. */
  #startsIn(
    series: number, steps: number, stride: number, gaps: WindowOptions['gaps'],
  ): number[] {
    const { length, horizon, skip } = this.#sizes;
    const total = length + skip + horizon;
    const count = Math.max(0, Math.floor((steps - total) / stride) + 1);
    const starts = Array.from({ length: count }, (_, i) => i * stride);
    if (gaps === 'keep') return starts;
    const missing = this.#missingBefore(series);
    const isWhole = (from: number, to: number) => missing[from] === missing[to];
    return starts.filter((start) => {
      const isTargetWhole = isWhole(start + length + skip, start + total);
      return isTargetWhole && (gaps === 'dropTargets' || isWhole(start, start + length));
    });
  }

  /** The number of missing values before each step, and before the end. */
  #missingBefore(series: number): Int32Array {
    const { data, steps } = this.#series[series];
    const counts = new Int32Array(steps + 1);
    for (let i = 0; i < data.length; i++) {
      if (Number.isNaN(data[i])) counts[Math.floor(i / this.#channels) + 1] += 1;
    }
    for (let step = 0; step < steps; step++) counts[step + 1] += counts[step];
    return counts;
  }

  /** Where a window begins, from 0 to length − 1. Throws if there is no such window. */
  positionOf(index: number): WindowPosition {
    checkArgument('Windows.positionOf', 'index', index, whole(0, this.length - 1));
    return { series: this.#places[0][index], start: this.#places[1][index] };
  }

  protected make(index: number): SeriesWindow {
    return this.#cutAll([index], []);
  }

  protected override makeBatch(indices: ArrayLike<number>): SeriesWindow {
    return this.#cutAll(indices, [indices.length]);
  }

  /** These windows, in tensors with `batch` as their first axes. */
  #cutAll(indices: ArrayLike<number>, batch: Shape): SeriesWindow {
    const { length, horizon, skip } = this.#sizes;
    const [input, inputMask] = this.#cut(indices, batch, 0, length);
    const [target, targetMask] = this.#cut(indices, batch, length + skip, horizon);
    return { input, inputMask, target, targetMask };
  }

  /** Of each of these windows the steps after its first `skipped`, with their mask. */
  #cut(
    indices: ArrayLike<number>, batch: Shape, skipped: number, steps: number,
  ): [values: Tensor, mask: Tensor] {
    const channels = this.#channels;
    const size = steps * channels;
    const values = new Float32Array(indices.length * size);
    const mask = new Int32Array(values.length);
    for (let i = 0; i < indices.length; i++) {
      const { series, start } = this.positionOf(indices[i]);
      const { data } = this.#series[series];
      for (let j = 0; j < size; j++) {
        const value = data[(start + skipped) * channels + j];
        if (Number.isNaN(value)) continue;
        values[i * size + j] = value;
        mask[i * size + j] = 1;
      }
    }
    const shape = [...batch, steps, channels];
    return [tensor(values, { shape }), tensor(mask, { shape })];
  }
}

/**
 * The windows of a series, or of several, as a lazy data set: an array of arrays or tensors is
 * several series, which may differ in length, and no window reaches from one into the next. A
 * series that is too short for a window has none. NaN marks a missing value. Scale a series before
 * (`Standardizer`), and cut off what is for testing, so that no target is in two parts.
 */
export function windows(series: Series | readonly Series[], options: WindowOptions): Windows {
  return new Windows(series, options);
}

const isSeries = (x: unknown): x is Series =>
  x instanceof Tensor || ArrayBuffer.isView(x) ||
  (Array.isArray(x) && x.every((value) => typeof value === 'number'));

const seriesKind = new Kind<Series | readonly Series[]>(
  'numbers in an array, a tensor [steps, channels], or an array of these',
  (x) => isSeries(x) || (Array.isArray(x) && x.every(isSeries)),
);

function listOfSeries(series: Series | readonly Series[]): readonly Series[] {
  checkArgument('windows', 'series', series, seriesKind);
  return isSeries(series) ? [series] : series;
}

/** The number of channels of a series. */
function channelsOf(series: Series, index: number): number {
  if (!(series instanceof Tensor) || series.ndim === 1) return 1;
  if (series.ndim === 2 && series.dtype === 'f32' && series.shape[1] > 0) return series.shape[1];
  throw new TensorError(
    `windows: series[${index}] is ${describe(series)}, expected f32[steps] or f32[steps, channels]`,
  );
}
