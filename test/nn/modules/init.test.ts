/** Initialisers: the bits that a seed gives, and the deviation of the values. */
import { initialize, type Initializer } from '@mambagrad/nn';
import { Generator } from '@mambagrad/tensor';
import { expect, test } from 'vitest';

const generator = () => new Generator(42);

test.each<[Initializer, readonly number[]]>([
  ['normal', [
    1.6411590576171875, -0.17136822640895844, 1.0694828033447266, 0.6676538586616516,
    -0.4000979959964752, 0.7372168302536011,
  ]],
  ['xavierUniform', [
    0.8085445165634155, -0.7654261589050293, 0.04452037811279297, -0.5478599667549133,
    0.2696526050567627, -0.5183795094490051,
  ]],
  ['xavierNormal', [
    1.037960171699524, -0.10838278383016586, 0.6764003038406372, 0.42226138710975647,
    -0.2530441880226135, 0.46625685691833496,
  ]],
  ['kaimingUniform', [
    1.0438264608383179, -0.9881608486175537, 0.05747544765472412, -0.707284152507782,
    0.34811997413635254, -0.6692250370979309,
  ]],
  ['kaimingNormal', [
    1.3400007486343384, -0.13992157578468323, 0.8732290863990784, 0.5451371073722839,
    -0.32667866349220276, 0.6019350290298462,
  ]],
])('%s gives a seed the same bits for ever', (initializer, expected) => {
  const drawn = initialize([2, 3], initializer, { generator: generator() });
  expect(Array.from(drawn.data)).toEqual(expected);
});

test.each<[Initializer, number]>([
  ['normal', 1],
  ['xavierUniform', Math.sqrt(2 / 500)],
  ['xavierNormal', Math.sqrt(2 / 500)],
  ['kaimingUniform', Math.sqrt(2 / 300)],
  ['kaimingNormal', Math.sqrt(2 / 300)],
])('%s has its standard deviation', (initializer, std) => {
  const drawn = initialize([200, 300], initializer, { generator: generator() });
  // Of 60,000 values the deviation is known to a few thousandths.
  expect(Math.abs(drawn.std().item() / std - 1)).toBeLessThan(0.02);
  expect(Math.abs(drawn.mean().item()) / std).toBeLessThan(0.02);
});
