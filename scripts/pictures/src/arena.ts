/**
 * The arena of a compiled program: which bytes hold which value, from the kernel that makes it to
 * the last one that reads it. Values that are not alive at the same time share bytes.
 */
import { compile, type Compiled, grad, ones, type Tensor } from '@mambagrad/tensor';
import { box, type Color, line, type Mark, picture, text, WIDTH } from './kit.ts';

/** A program that has been called. */
export interface ArenaOptions {
  readonly program?: Pick<Compiled<never, never>, 'memory' | 'kernels' | 'arenaBytes'>;
}

/** The loss of a network with hidden layers, and its gradients. */
export function trainingStep(
  { layers = 2, batch = 24, without = [] }: {
    readonly layers?: number; readonly batch?: number; readonly without?: readonly 'inPlace'[];
  } = {},
): NonNullable<ArenaOptions['program']> {
  const sizes = [16, ...Array.from({ length: layers }, () => 32), 8];
  const weights = sizes.slice(1).map((size, i) => ones([sizes[i], size], { requiresGrad: true }));
  const step = compile((x: Tensor, target: Tensor) => {
    const y = weights.reduce((h, weight, i) => (i === 0 ? h : h.relu()).matmul(weight), x);
    const loss = y.sub(target).square().mean();
    return [loss, ...grad(loss, weights)];
  }, { without });
  step(ones([batch, 16]), ones([batch, 8]));
  return step;
}

const [LEFT, RIGHT, TOP, HIGH] = [62, 14, 58, 330];
const colors: readonly Color[] = ['c0', 'c2', 'c3', 'c4'];

/** Draws values over time, from left to right, and over addresses, from bottom to top. */
export function draw({ program = trainingStep() }: ArenaOptions = {}): string {
  const [reports, kernels, bytes] = [program.memory(), program.kernels(), program.arenaBytes()];
  const wide = (WIDTH - LEFT - RIGHT) / (kernels.length + 1);
  const at = (address: number): number => TOP + HIGH * (1 - address / bytes);
  const placed = reports.filter(({ offset, kind }) => offset !== undefined && kind !== 'alias');
  const total = placed.filter(({ kind }) => kind !== 'inPlace')
    .reduce((sum, report) => sum + report.bytes, 0);
  const blocks = placed.map(({ value, offset = 0, bytes: size, from, to, kind }, i) => {
    // Arguments are there before the first kernel runs, and results after the last.
    const x = LEFT + ((from ?? -1) + 1) * wide;
    const end = LEFT + ((to ?? kernels.length - 1) + 2) * wide;
    const place = {
      x: x + 1, y: at(offset + size) + 0.5, width: end - x - 2, height: size / bytes * HIGH - 1,
    };
    const isScratch = kind === 'scratch';
    const name = isScratch ? '' : value?.name ?? '';
    const color = isScratch ? 'c1' : colors[i % colors.length];
    const label = place.height > 13 && place.width > 8 * name.length + 4
      ? text(place.x + place.width / 2, place.y + place.height / 2, name, {
        anchor: 'middle', class: 'small', color,
      }) : '';
    const look = isScratch ? 'thin dashed' : 'thin';
    const ground = box(place, { fill: 'page', radius: 2 });
    return ground + box(place, { outline: color, fill: color, radius: 2, class: look }) + label;
  });
  const grouped = (count: number): string => String(count).replace(/\B(?=(\d{3})+$)/g, ',');
  const words = `${grouped(total)} bytes, held in ${grouped(bytes)}`;
  return picture({
    height: TOP + HIGH + 46,
    title: 'The arena of a training step: bytes over time',
    description: `${words}, over ${kernels.length} kernels.`,
  }, [
    text(14, 20, words, { class: 'bold' }),
    text(14, 42, 'address', { class: 'small', color: 'quiet' }),
    ...axes(kernels.length, wide, bytes, at), ...blocks,
    box({ x: WIDTH - 156, y: 35, width: 14, height: 14 }, {
      outline: 'c1', fill: 'c1', class: 'thin dashed',
    }),
    text(WIDTH - 136, 42, 'scratch of a kernel', { class: 'small' }),
  ]);
}

function axes(
  kernels: number, wide: number, bytes: number, at: (address: number) => number,
): Mark[] {
  const steps = [1, 2, 4, 8, 16, 32, 64].map((kib) => 1024 * kib);
  const step = steps.find((one) => bytes / one <= 8) ?? bytes;
  const levels = Array.from({ length: Math.floor(bytes / step) + 1 }, (_, i) => i * step);
  const bottom = TOP + HIGH;
  // Numbers that have no room are left out.
  const every = Math.ceil(18 / wide);
  const quiet = { class: 'small', color: 'quiet' } as const;
  return [
    ...levels.flatMap((address) => [
      line([[LEFT, at(address)], [WIDTH - RIGHT, at(address)]], { class: 'thin' }),
      text(LEFT - 8, at(address), `${address / 1024} K`, { ...quiet, anchor: 'end' }),
    ]),
    ...Array.from({ length: kernels }, (_, i) => i % every > 0 ? '' : text(
      LEFT + (i + 1.5) * wide, bottom + 14, String(i), { ...quiet, anchor: 'middle' },
    )),
    text(WIDTH - RIGHT, bottom + 33, 'kernel, in order', { ...quiet, anchor: 'end' }),
  ];
}
