/**
 * A forecaster: a Mamba reads the rises of the last five years, and a linear layer writes those of
 * the next twelve months. It reads and writes them relative to their mean over the five years,
 * because rises of today are larger than any that it has learned from:
 *
 *     z = (rise − offset) / scale,   level = mean of z,   forecast = W mamba(z − level) + level
 *
 * The scale, which was fitted on the training part, is saved with it, and how good it was.
 */
import { Mamba } from '@mambagrad/mamba';
import { Buffer, Linear, Module, Standardizer, type SeriesWindow } from '@mambagrad/nn';
import { concat, noGrad, type Tensor, tensor, zeros } from '@mambagrad/tensor';
import { YEAR } from './series.ts';

/** The months that it reads. */
export const MEMORY = 5 * YEAR;

export interface ForecasterOptions {
  readonly layers: number;
  readonly hidden: number;
}

/** What a forecaster reads, and what it should write, scaled; see `windows`. */
export type Batch = { readonly [Field in keyof SeriesWindow]: Tensor };

export class Forecaster extends Module {
  readonly scaler = new Standardizer();
  readonly encoder: Mamba;
  readonly head: Linear;
  /** The mean error in ppm that it makes on new months, once it is known. */
  readonly error = new Buffer(zeros([]));

  constructor({ layers, hidden }: ForecasterOptions) {
    super();
    this.encoder = new Mamba({
      embedDim: 2, hiddenSize: hidden, stateSize: 8, numLayers: layers, dropout: 0.1,
    });
    this.head = new Linear(hidden, YEAR);
  }

  /** From scaled rises [batch, months, 1] to those of the next twelve months, [batch, 12]. */
  forward({ input, inputMask }: Pick<Batch, 'input' | 'inputMask'>): Tensor {
    const isKnown = inputMask.cast('f32');
    const level = input.sum(1, true).div(isKnown.sum(1, true));
    const seen = concat([input.sub(level).mul(isKnown), isKnown], -1);
    return this.head.forward(this.encoder.forward(seen)).add(level.squeeze(-1));
  }

  /** The rises of the next twelve months after these; NaN marks missing ones. */
  forecast(rises: Float64Array): number[] {
    const scaled = this.scaler.transform(rises.slice(-MEMORY));
    const column = (of: (value: number) => number, dtype: 'f32' | 'i32') =>
      tensor(Array.from(scaled, of), { shape: [1, scaled.length, 1], dtype });
    const input = column((value) => (Number.isNaN(value) ? 0 : value), 'f32');
    const inputMask = column((value) => (Number.isNaN(value) ? 0 : 1), 'i32');
    const output = this.inEval(() => noGrad(() => this.forward({ input, inputMask })));
    return Array.from(this.scaler.inverse(output).data);
  }
}
