/**
 * Random distortions. Whenever an image is seen in training it is turned, slanted, stretched and
 * moved a little, as another hand might have written it. So there are always new images, and a
 * model cannot learn the old ones by heart.
 *
 * The new pixel at p has the value of the old image at q = A p + b, a point between its pixels.
 * Bilinear interpolation gives the old pixel at (i, j) the weight
 *
 *     max(0, 1 − |q₁ − i|) · max(0, 1 − |q₂ − j|)
 */
import { Module } from '@mambagrad/nn';
import { arange, tensor, type Tensor, uniform } from '@mambagrad/tensor';

/** Distorts square images [batch, size, size] in training; in `eval` they stay as they are. */
export class Distort extends Module {
  readonly #size: number;
  readonly #strength: number;
  readonly #shift: number;

  /**
   * The entries of A differ from those of the identity by at most `strength`, and b is at most
   * `shift` pixels in each direction.
   */
  constructor(size: number, strength: number, shift: number) {
    super();
    this.#size = size;
    this.#strength = strength;
    this.#shift = shift;
  }

  forward(images: Tensor): Tensor {
    if (!this.training) return images;
    const [batch, size] = [images.shape[0], this.#size];
    const matrix = uniform([batch, 2, 2], -this.#strength, this.#strength)
      .add(tensor([[1, 0], [0, 1]]));
    const shift = uniform([batch, 1, 2], -this.#shift, this.#shift);
    // The origin is in the middle of the image.
    const middle = (size - 1) / 2;
    const points = Array.from(
      { length: size * size }, (_, i) => [Math.floor(i / size) - middle, (i % size) - middle],
    );
    const sources = tensor(points).matmul(matrix).add(shift).add(middle);
    const [rowWeights, columnWeights] = [0, 1].map((axis) =>
      sources.narrow(2, axis, 1).sub(arange(0, size)).abs().neg().add(1).relu());
    const rows = rowWeights.matmul(images);
    return rows.mul(columnWeights).sum(-1).reshape([batch, size, size]);
  }
}
