/**
 * A layer of Mamba as a diagram: norm, block and residual connection. A block with random weights
 * is run part by part, and each arrow has the shape of the tensor that went along it.
 */
import { MambaBlock, selectiveScan } from '@mambagrad/mamba';
import { RMSNorm } from '@mambagrad/nn';
import { Generator, noGrad, normal, type Shape, type Tensor } from '@mambagrad/tensor';
import {
  arrow, box, circle, type Color, type Mark, picture, type Point, text, WIDTH,
} from './kit.ts';

/** The sizes of a block and of its input. */
export interface MambaBlockOptions {
  /** W, the width of the model. Default 8. */
  readonly hiddenSize?: number;
  /** N, the numbers of state in each channel. Default 4. */
  readonly stateSize?: number;
  /** D / W, where D is the number of channels. Default 2. */
  readonly expandFactor?: number;
  /** The number of steps that the convolution sees. Default 4. */
  readonly convSize?: number;
  /** L, the number of steps. Default 5. */
  readonly length?: number;
}

/** The sequences in a batch. */
const BATCH = 2;

/** Runs a layer part by part: its tensors by name, and the block itself. */
export function runLayer(options: MambaBlockOptions = {}) {
  const { hiddenSize = 8, stateSize = 4, expandFactor = 2, convSize = 4, length = 5 } = options;
  const generator = new Generator(1);
  const block = new MambaBlock({ hiddenSize, stateSize, expandFactor, convSize, generator });
  const norm = new RMSNorm(hiddenSize);
  const { inProj, conv1d, ssm, outProj } = block;
  const [channels, rank] = ssm.dtProj.weight.shape;
  return noGrad(() => {
    const input = normal([BATCH, length, hiddenSize], 0, 1, { generator });
    const normed = norm.forward(input);
    const [x, z] = inProj.forward(normed).split([channels, channels], -1);
    const convolved = conv1d.forward(x);
    const u = convolved.silu();
    const [r, B, C] = ssm.xProj.forward(u).split([rank, stateSize, stateSize], -1);
    const delta = ssm.dtProj.forward(r).softplus();
    const A = ssm.ALog.exp().neg();
    const { y, lastState } = selectiveScan(u, delta, A, B, C, { D: ssm.D });
    const gate = z.silu();
    const gated = y.mul(gate);
    const change = outProj.forward(gated);
    const output = input.add(change);
    const tensors = {
      input, normed, x, z, convolved, u, r, delta, B, C, A, lastState, y, gate, gated, change,
      output,
    };
    return { block, norm, tensors };
  });
}

/** The middles of the two branches, and of what is before and after them. */
const [SIGNAL, GATE, TRUNK] = [76, 372, 190];
/** The line of the residual connection. */
const RESIDUAL = 14;
const HIGH = 30;

/** The rows of the diagram: the top of each part. */
const top = {
  norm: 82, inProj: 164, conv: 242, silu: 314, project: 386, scan: 484, gate: 590, outProj: 632,
  add: 726,
};

const sizes = (shape: Shape): string => `[${shape.join(', ')}]`;
const small = { class: 'small' } as const;
const quiet = { class: 'small', color: 'quiet' } as const;

/** Draws a layer, whose block has these sizes. */
export function draw(options: MambaBlockOptions = {}): string {
  const { block, tensors } = runLayer(options);
  const [width, channels] = block.outProj.weight.shape;
  const [, stateSize] = block.ssm.ALog.shape;
  const title = `A layer of Mamba: W = ${width}, D = ${channels}, N = ${stateSize}`;
  return picture({
    height: 788,
    title,
    description: Object.entries(tensors).map(([name, { shape }]) => `${name} ${sizes(shape)}`)
      .join(', '),
  }, [
    text(14, 20, title, { class: 'bold' }),
    // The block, without norm and residual connection.
    box({ x: 26, y: 134, width: WIDTH - 36, height: 540 }, {
      fill: 'raised', outline: 'line', radius: 8, class: 'thin dashed',
    }),
    text(WIDTH - 20, 148, 'MambaBlock', { ...quiet, anchor: 'end' }),
    ...trunk(tensors), ...parts(block), ...signalBranch(tensors), ...gateBranch(tensors),
    ...scan(tensors),
  ]);
}

type Tensors = Readonly<ReturnType<typeof runLayer>['tensors']>;

/** A tensor on its way: an arrow, and to its right its name and shape. */
function flow(
  x: number, from: number, to: number, name: string, tensor: Tensor, color: Color = 'quiet',
): Mark {
  const label = name === '' ? sizes(tensor.shape) : `${name} ${sizes(tensor.shape)}`;
  return arrow([[x, from], [x, to]], { color }) +
    text(x + 10, (from + to) / 2 - 2, label, { ...small, color });
}

/** A part with parameters or without, around a middle; a second text says what it has. */
function part(
  middle: number, y: number, width: number, words: string, color: Color, note?: string,
): Mark {
  const place = { x: middle - width / 2, y, width, height: note === undefined ? HIGH : HIGH + 14 };
  const at = y + HIGH / 2;
  return box(place, { fill: 'page', radius: 6 }) +
    box(place, { fill: color, outline: color, radius: 6 }) +
    text(middle, at, words, { ...small, anchor: 'middle' }) +
    (note === undefined ? '' : text(middle, at + 17, note, { ...quiet, anchor: 'middle' }));
}

/** A sign in a circle: two tensors meet. */
const sign = (x: number, y: number, words: string, color: Color): Mark =>
  circle(x, y, 12, { fill: 'page' }) + circle(x, y, 12, { fill: color, outline: color }) +
  text(x, y, words, { anchor: 'middle', color, class: 'bold' });

/** What enters, what leaves, and the residual connection from one to the other. */
function trunk({ input, normed, change, output }: Tensors): Mark[] {
  const add = top.add;
  const around: readonly Point[] = [
    [TRUNK, 62], [RESIDUAL, 62], [RESIDUAL, add], [TRUNK - 14, add],
  ];
  return [
    flow(TRUNK, 34, top.norm, 'input', input), arrow(around, { color: 'c4' }),
    text(RESIDUAL + 10, add - 14, 'residual', { ...small, color: 'c4' }),
    part(TRUNK, top.norm, 110, 'RMSNorm', 'quiet'),
    arrow([[TRUNK, top.norm + HIGH], [TRUNK, top.inProj]], { color: 'quiet' }),
    text(TRUNK + 10, top.norm + HIGH + 11, sizes(normed.shape), quiet),
    flow(TRUNK, top.outProj + HIGH, add - 12, '', change),
    sign(TRUNK, add, '+', 'c4'), flow(TRUNK, add + 12, add + 50, 'output', output),
  ];
}

/** The linear layers, with the shapes of their weights. */
function parts({ inProj, conv1d, ssm, outProj }: MambaBlock): Mark[] {
  const [, , kernel] = conv1d.weight.shape;
  const note = `${sizes(ssm.xProj.weight.shape)}, ${sizes(ssm.dtProj.weight.shape)}`;
  return [
    part(219, top.inProj, 366, `in-projection ${sizes(inProj.weight.shape)}`, 'quiet'),
    part(122, top.conv, 172, `convolution of ${kernel} ${kernel === 1 ? 'step' : 'steps'}`, 'c0'),
    part(122, top.silu, 172, 'SiLU', 'c0'),
    part(219, top.project, 226, 'projections to Δ, B and C', 'c2', note),
    part(GATE, top.conv, 60, 'SiLU', 'c1'),
    part(TRUNK, top.outProj, 200, `out-projection ${sizes(outProj.weight.shape)}`, 'quiet'),
  ];
}

/** The signal, from the in-projection to the scan. */
function signalBranch({ x, convolved, u, delta, B, C }: Tensors): Mark[] {
  const from = top.project + HIGH + 14;
  const scanned = [['Δ', delta, 118], ['B', B, 203], ['C', C, 288]] as const;
  return [
    flow(SIGNAL, top.inProj + HIGH, top.conv, 'x', x, 'c0'),
    flow(SIGNAL, top.conv + HIGH, top.silu, '', convolved, 'c0'),
    arrow([[SIGNAL, top.silu + HIGH], [SIGNAL, top.scan]], { color: 'c0' }),
    text(SIGNAL + 10, top.silu + HIGH + 19, `u ${sizes(u.shape)}`, { ...small, color: 'c0' }),
    arrow([[190, top.silu + HIGH], [190, top.project]], { color: 'c0' }),
    ...scanned.flatMap(([name, tensor, at]) => [
      arrow([[at, from], [at, top.scan]], { color: 'c2' }),
      text(at + 7, from + 14, name, { class: 'bold', color: 'c2' }),
      text(at + 7, from + 32, sizes(tensor.shape), { ...small, color: 'c2' }),
    ]),
  ];
}

/** The gate, from the in-projection to the product. */
function gateBranch({ z, gate }: Tensors): Mark[] {
  const [from, to] = [top.conv + HIGH, top.gate];
  return [
    arrow([[GATE, top.inProj + HIGH], [GATE, top.conv]], { color: 'c1' }),
    text(GATE - 10, top.inProj + HIGH + 22, `z ${sizes(z.shape)}`, {
      ...small, anchor: 'end', color: 'c1',
    }),
    arrow([[GATE, from], [GATE, to], [TRUNK + 14, to]], { color: 'c1' }),
    text(GATE - 10, from + 22, `gate ${sizes(gate.shape)}`, {
      ...small, anchor: 'end', color: 'c1',
    }),
    sign(TRUNK, to, '×', 'c1'),
  ];
}

/** The scan, and its way to the out-projection. */
function scan({ A, lastState, y, gated }: Tensors): Mark[] {
  const place = { x: 40, y: top.scan, width: 316, height: 62 };
  const words = 'h ← exp(ΔA) ⊙ h + ΔB u, y = C·h + D ⊙ u';
  const state = `A ${sizes(A.shape)}, state h ${sizes(lastState.shape)}`;
  const middle = place.x + place.width / 2;
  return [
    box(place, { fill: 'page', radius: 6 }), box(place, { fill: 'c3', outline: 'c3', radius: 6 }),
    text(middle, top.scan + 13, 'selective scan', { ...small, anchor: 'middle' }),
    text(middle, top.scan + 31, words, { ...small, anchor: 'middle' }),
    text(middle, top.scan + 49, state, { ...quiet, anchor: 'middle' }),
    flow(TRUNK, top.scan + 62, top.gate - 12, 'y', y, 'c3'),
    flow(TRUNK, top.gate + 12, top.outProj, '', gated),
  ];
}
