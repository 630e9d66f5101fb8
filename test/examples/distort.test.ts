/** Random distortions of images: none in eval, bilinear in training. */
import { manualSeed, uniform } from '@mambagrad/tensor';
import { expect, it } from 'vitest';
import { Distort } from '../../examples/digits/distort.ts';
import { expectClose } from '../support/compare.ts';

const images = uniform([3, 6, 6]);

it('changes nothing in eval, nor with a strength and a shift of 0', () => {
  expect(new Distort(6, 0.3, 1).eval().forward(images)).toBe(images);
  expectClose(new Distort(6, 0, 0).forward(images), images, 0, 1e-6);
});

it('moves a ramp by as much as it moves the image', () => {
  manualSeed(3);
  const ramp = uniform([1, 6, 6]).mul(0).add(uniform([6]).mul(0).add(1).cumsum(0));
  const [row, ...others] = new Distort(6, 0, 0.5).forward(ramp).squeeze(0).narrow(0, 1, 4)
    .narrow(1, 1, 4).toArray() as number[][];
  // Away from the edges the ramp is as steep as before, and less than a pixel away.
  for (let i = 1; i < row.length; i++) expect(row[i] - row[i - 1]).toBeCloseTo(1, 5);
  expect(Math.abs(row[0] - 2)).toBeLessThan(0.5);
  expect(row[0]).not.toBeCloseTo(2, 3);
  for (const other of others) other.forEach((value, i) => expect(value).toBeCloseTo(row[i], 5));
});

it('draws another distortion for each image, within the range of its pixels', () => {
  manualSeed(1);
  const distorted = new Distort(6, 0.3, 1).forward(images.narrow(0, 0, 1).broadcastTo([8, 6, 6]));
  const [first, second] = distorted.unbind(0);
  expect(first.toArray()).not.toEqual(second.toArray());
  expect(distorted.min().item()).toBeGreaterThanOrEqual(0);
  expect(distorted.max().item()).toBeLessThanOrEqual(images.max().item() + 1e-6);
});
