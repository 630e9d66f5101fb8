/**
 * Images. Pixels come as whole numbers, most often from 0 to 255; models take float32 numbers from
 * 0 to 1, with the channels on the last axis:
 *
 *     [[0, 255], [51, 204]]  →  0, 1, 0.2, 0.8  in f32[2, 2, 1], [height, width, channels]
 */
import {
  describe, type Shape, stack, Tensor, tensor, type TensorData, TensorError,
} from '@mambagrad/tensor';
import {
  checkArgument, Kind, listOf, number, oneOf, type Read, readOptions, type Table, whole,
} from '@mambagrad/tensor/options';
import { collate } from './collate.ts';
import { type Dataset, datasets, indexLists, LazyDataset } from './dataset.ts';

/**
 * The pixels of an image: rows of numbers, rows of pixels that are arrays of channels, or all
 * numbers in one array, row by row, for which the option `shape` says how they are arranged.
 */
export type Pixels =
  | Tensor | Uint8Array | Uint8ClampedArray | Uint16Array | Int32Array | Float32Array
  | Float64Array | readonly number[] | readonly (readonly number[])[]
  | readonly (readonly (readonly number[])[])[];

/** Options of `imageToTensor`, `imagesToTensor` and `imageDataset`. */
export interface ImageOptions {
  /** The size of an image, [height, width] or [height, width, channels]. Default as it is given. */
  readonly shape?: readonly number[] | undefined;
  /** The number in the data that becomes 1, above 0; 0 stays 0. Default 255. */
  readonly max?: number | undefined;
  /**
   * The order of the axes of the result: 'HWC', with the channels last, or 'CHW', as in PyTorch.
   * Default 'HWC'.
   */
  readonly layout?: 'HWC' | 'CHW' | undefined;
}

const imageOptions = {
  shape: listOf(whole(1)).optional(),
  max: number({ above: 0 }).orElse(255),
  layout: oneOf('HWC', 'CHW').orElse('HWC'),
} satisfies Table<ImageOptions>;

const pixelKind = new Kind<Pixels>(
  'an image: an array of numbers, nested arrays, or a tensor',
  (x) => x instanceof Tensor || Array.isArray(x) || (ArrayBuffer.isView(x) && 'length' in x),
);

/**
 * One image as f32 [height, width, channels], from 0 to 1; one without an axis for channels has one
 * channel. Throws if the numbers are not those of an image, or above `max` or below 0.
 */
export function imageToTensor(pixels: Pixels, options: ImageOptions = {}): Tensor {
  return toImage('imageToTensor', pixels, readOptions('imageToTensor', options, imageOptions));
}

/**
 * Images as one tensor f32 [images, height, width, channels], from 0 to 1. They are given as a list
 * of images, or, with `shape` for each of them, as a tensor or typed array that holds all.
 */
export function imagesToTensor(
  images: readonly Pixels[] | Tensor | Uint8Array | Float32Array | Float64Array | Int32Array,
  options: ImageOptions = {},
): Tensor {
  const op = 'imagesToTensor';
  checkArgument(op, 'images', images, pixelKind);
  const given = readOptions(op, options, imageOptions);
  if (Array.isArray(images)) {
    if (images.length === 0) throw new TensorError(`${op}: images is empty, expected at least one`);
    return stack(images.map((pixels: Pixels, i) => toImage(`${op}: image ${i}`, pixels, given)));
  }
  const all = toNumbers(images as Pixels);
  const size = given.shape ?? all.shape.slice(1);
  const count = all.numel / size.reduce((product, n) => product * n, 1);
  if (given.shape && Number.isInteger(count)) return scaled(op, all, count, size, given);
  if (!given.shape && all.ndim > 1) return scaled(op, all, all.shape[0], size, given);
  throw new TensorError(
    `${op}: images is ${describe(all)}, expected whole images of ` +
      (given.shape ? `the shape [${size.join(', ')}]` : 'a shape; give it as the option shape'),
  );
}

/** An image with its class, as tensors without a batch axis. */
export interface LabelledImage {
  /** f32 [height, width, channels], or as `layout` says, from 0 to 1. */
  readonly image: Tensor;
  /** Its class, i32 [], as `crossEntropy` takes it. */
  readonly label: Tensor;
}

/**
 * A lazy data set of images with their classes, whole numbers from 0: each image becomes a tensor
 * when it is asked for.
 */
export function imageDataset(
  images: Dataset<Pixels>, labels: ArrayLike<number>, options: ImageOptions = {},
): LazyDataset<LabelledImage> {
  const op = 'imageDataset';
  checkArgument(op, 'images', images, datasets);
  const given = readOptions(op, options, imageOptions);
  checkArgument(op, 'labels', labels, indexLists);
  if (labels.length !== images.length) {
    throw new TensorError(`${op}: there are ${images.length} images and ${labels.length} labels`);
  }
  return new ImageDataset(images, labels, given);
}

class ImageDataset extends LazyDataset<LabelledImage> {
  readonly length: number;
  readonly #images: Dataset<Pixels>;
  readonly #labels: ArrayLike<number>;
  readonly #options: Read<typeof imageOptions>;

  constructor(
    images: Dataset<Pixels>, labels: ArrayLike<number>, options: Read<typeof imageOptions>,
  ) {
    super();
    [this.length, this.#images, this.#labels] = [images.length, images, labels];
    this.#options = options;
  }

  protected make(index: number): LabelledImage {
    return this.#labelled(this.#images.at(index) as Pixels, index);
  }

  #labelled(pixels: Pixels, index: number): LabelledImage {
    return {
      image: toImage(`imageDataset: image ${index}`, pixels, this.#options),
      label: tensor(this.#labels[index], { dtype: 'i32' }),
    };
  }

  protected override makeBatch(indices: ArrayLike<number>): LabelledImage {
    const given = Array.from(indices, (i) => this.#images.at(i) as Pixels);
    try {
      const numbers = stack(given.map(toNumbers));
      const size = this.#options.shape ?? numbers.shape.slice(1);
      return {
        image: scaled('imageDataset', numbers, indices.length, size, this.#options),
        label: tensor(Array.from(indices, (i) => this.#labels[i]), { dtype: 'i32' }),
      };
    } catch {
      // Images of several sizes are padded by `collate`, and an error names the image.
      return collate(given.map((pixels, i) => this.#labelled(pixels, indices[i])));
    }
  }
}

/** One image [height, width, channels]. */
function toImage(op: string, pixels: Pixels, options: Read<typeof imageOptions>): Tensor {
  checkArgument(op, 'pixels', pixels, pixelKind);
  const numbers = toNumbers(pixels);
  return scaled(op, numbers, 1, options.shape ?? numbers.shape, options).squeeze(0);
}

function toNumbers(pixels: Pixels): Tensor {
  if (pixels instanceof Tensor) return pixels.cast('f32');
  return tensor(pixels as TensorData, { dtype: 'f32' });
}

/** Images of a size, from 0 to 1. Throws in the name of `op` if they are no images. */
function scaled(
  op: string, numbers: Tensor, count: number, size: Shape,
  { max, layout }: Read<typeof imageOptions>,
): Tensor {
  const isSize = size.length === 2 || size.length === 3;
  if (!isSize || count * size.reduce((product, n) => product * n, 1) !== numbers.numel) {
    const found = isSize ? `which is no image of the shape [${size.join(', ')}]` : 'expected ' +
      '[height, width] or [height, width, channels]; for a flat array give the option shape';
    throw new TensorError(`${op}: pixels is ${describe(numbers)}, ${found}`);
  }
  const wrong = numbers.data.findIndex((value) => !(value >= 0 && value <= max));
  if (wrong >= 0) {
    throw new TensorError(
      `${op}: pixel ${wrong} is ${numbers.data[wrong]}, expected 0 to ${max}; ` +
        'the option max says which number becomes 1',
    );
  }
  const [height, width, channels = 1] = size;
  const images = numbers.div(max).reshape([count, height, width, channels]);
  return layout === 'CHW' ? images.permute([0, 3, 1, 2]) : images;
}
