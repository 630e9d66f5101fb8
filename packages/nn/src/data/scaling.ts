/**
 * Scaling: features in different units (ppm, degrees, euros) become numbers of similar size, from
 * which a model learns faster. The scale is fitted on the training part alone, as a model must know
 * nothing of the data that it is tested on:
 *
 *     Standardizer   y = (x − mean) / std             mean 0 and standard deviation 1
 *     MinMaxScaler   y = (x − min) / (max − min)      from 0 to 1
 *
 * A scaler is a module, whose scale is in buffers: as a field of a model it is saved and loaded
 * with it, and compiled with it.
 */
import { describe, full, Tensor, tensor, TensorError } from '@mambagrad/tensor';
import { valuesOf } from '@mambagrad/tensor/extend';
import { checkArgument, Kind, show, whole } from '@mambagrad/tensor/options';
import { Buffer, Module } from '../modules/module.ts';

/** Numbers to scale: a tensor [..., features], or an array of them, row after row. */
export type Scalable = Tensor | Float64Array | Float32Array | Int32Array | readonly number[];

const scalable = new Kind<Scalable>(
  'a tensor or an array of numbers',
  (x) => x instanceof Tensor || ArrayBuffer.isView(x) ||
    (Array.isArray(x) && x.every((value) => typeof value === 'number')),
);

/** The smallest float32 that has all its digits. */
const SMALLEST = 2 ** -126;

/** The statistics of one feature. */
interface Feature {
  readonly offset: number;
  readonly scale: number;
}

/**
 * The base of scalers: y = (x − offset) / scale for each feature, the last axis of x. Missing
 * values (NaN) are left out when the scale is fitted, and stay NaN. Offset and scale are kept in
 * float32, as weights are.
 */
export abstract class Scaler extends Module {
  /** The number of each feature that becomes 0; NaN as long as it is unknown */
  readonly offset: Buffer;
  /** By how much the number that becomes 1 is larger; never 0 */
  readonly scale: Buffer;
  /** The number of features, the size of the last axis. */
  readonly features: number;

  /** `features` is the size of the last axis; with one feature, x may have any shape. */
  constructor(features = 1) {
    super();
    checkArgument(new.target.name, 'features', features, whole(1));
    this.features = features;
    this.offset = new Buffer(full([features], NaN));
    this.scale = new Buffer(full([features], NaN));
  }

  /** The offset and scale for the values of one feature, at least one; 0 if all are equal. */
  protected abstract measure(values: Float64Array): Feature;

  /**
   * Finds offset and scale of each feature, from the training part of the data. Throws if a feature
   * has no values, or an infinite one. Returns this scaler.
   */
  fit(x: Scalable): this {
    const op = `${this.constructor.name}.fit`;
    this.#requireFeatures(op, x);
    const data = x instanceof Tensor ? x.data : x;
    const found = Array.from({ length: this.features }, (_, feature) => {
      const values = Float64Array.from(
        { length: data.length / this.features }, (_, row) => data[row * this.features + feature],
      ).filter((value) => !Number.isNaN(value));
      if (values.length === 0) throw new TensorError(`${op}: feature ${feature} has no values`);
      const { offset, scale } = this.measure(values);
      // The buffers hold float32: what is 0 there, or a denormal, is the scale of a constant.
      if (Number.isFinite(Math.fround(scale)) && Number.isFinite(Math.fround(offset))) {
        return { offset, scale: scale < SMALLEST ? 1 : scale };
      }
      throw new TensorError(`${op}: feature ${feature} has values that are infinite or too large`);
    });
    const dtype = this.offset.dtype;
    this.offset.assign(tensor(found.map(({ offset }) => offset), { dtype }));
    this.scale.assign(tensor(found.map(({ scale }) => scale), { dtype }));
    return this;
  }

  /** (x − offset) / scale: of a tensor a tensor, of an array a Float32Array, as models take. */
  transform(x: Tensor): Tensor;
  transform(x: Exclude<Scalable, Tensor>): Float32Array;
  transform(x: Scalable): Tensor | Float32Array {
    this.#require('transform', x);
    if (x instanceof Tensor) return x.sub(this.offset).div(this.scale);
    const { features, offset: { data: offsets }, scale: { data: scales } } = this;
    return Float32Array.from(
      x, (value, i) => (value - offsets[i % features]) / scales[i % features],
    );
  }

  /**
   * The x of which `transform` gives y, y · scale + offset: of a tensor a tensor, of an array a
   * Float64Array.
   */
  inverse(y: Tensor): Tensor;
  inverse(y: Exclude<Scalable, Tensor>): Float64Array;
  inverse(y: Scalable): Tensor | Float64Array {
    this.#require('inverse', y);
    if (y instanceof Tensor) return y.mul(this.scale).add(this.offset);
    const { features, offset: { data: offsets }, scale: { data: scales } } = this;
    return Float64Array.from(y, (value, i) => value * scales[i % features] + offsets[i % features]);
  }

  /** The same as `transform`, so that a scaler can stand in a `Sequential`. */
  forward(x: Tensor): Tensor {
    return this.transform(x);
  }

  #require(method: string, x: Scalable): void {
    const op = `${this.constructor.name}.${method}`;
    this.#requireFeatures(op, x);
    // In a trace the values are not known; there, NaN is the result.
    if (valuesOf(this.scale)?.every((scale) => !Number.isNaN(scale)) !== false) return;
    throw new TensorError(`${op}: the scale is unknown; call fit, or load the state of a scaler`);
  }

  #requireFeatures(op: string, x: Scalable): void {
    checkArgument(op, 'x', x, scalable);
    const { features } = this;
    if (features === 1) return;
    const isRight = x instanceof Tensor
      ? x.shape.at(-1) === features
      : x.length % features === 0;
    if (isRight) return;
    const found = x instanceof Tensor ? describe(x) : show(x);
    throw new TensorError(`${op}: x is ${found}, expected ${features} features in each row`);
  }
}

/**
 * Scales each feature to mean 0 and standard deviation 1 (that of the population, as scikit-learn's
 * StandardScaler). A feature that is constant becomes 0.
 */
export class Standardizer extends Scaler {
  protected measure(values: Float64Array): Feature {
    const mean = meanOf(values);
    return { offset: mean, scale: Math.sqrt(meanOf(values.map((value) => (value - mean) ** 2))) };
  }
}

/** Scales each feature so that its values are from 0 to 1. A feature that is constant becomes 0. */
export class MinMaxScaler extends Scaler {
  protected measure(values: Float64Array): Feature {
    const min = values.reduce((a, b) => Math.min(a, b));
    return { offset: min, scale: values.reduce((a, b) => Math.max(a, b)) - min };
  }
}

/** The mean, from differences to the first value, so that those of a constant have exactly 0. */
function meanOf(values: Float64Array): number {
  const [first] = values;
  return first + values.reduce((sum, value) => sum + (value - first), 0) / values.length;
}
