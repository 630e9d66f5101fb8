/**
 * Element types. A tensor is a shape and a plain typed array; its dtype says which.
 *
 * `f32` holds values, `i32` holds indices, comparisons (0 or 1) and random bits. `f64` exists to
 * check `f32`: every op runs in it unchanged, so gradients can be compared with finite differences.
 */
export type DType = 'f32' | 'f64' | 'i32';

/** The array that holds a tensor's elements: of f32, f64 or i32. */
export type TypedArray = Float32Array | Float64Array | Int32Array;

/** A fresh array of zeros. */
export function allocate(dtype: DType, numel: number): TypedArray {
  if (dtype === 'f32') return new Float32Array(numel);
  return dtype === 'f64' ? new Float64Array(numel) : new Int32Array(numel);
}

/** The size of an element in bytes. */
export function sizeOf(dtype: DType): number {
  return dtype === 'f64' ? 8 : 4;
}

export function dtypeOf(array: TypedArray): DType {
  if (array instanceof Float32Array) return 'f32';
  return array instanceof Float64Array ? 'f64' : 'i32';
}

export function isFloat(dtype: DType): boolean {
  return dtype !== 'i32';
}
