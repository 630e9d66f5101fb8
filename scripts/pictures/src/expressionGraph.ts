/**
 * The graph of an expression of numbers: a box for each node, with its value, which is computed on
 * the way down, and the gradient of the result with respect to it, computed on the way up.
 */
import { grad, type Tensor, tensor } from '@mambagrad/tensor';
import { arrow, type Box, box, type Mark, number, picture, text, WIDTH } from './kit.ts';

/** The leaves by name, and the expression of them. */
export interface ExpressionGraphOptions {
  readonly leaves?: Readonly<Record<string, number>>;
  readonly expression?: (leaves: Readonly<Record<string, Tensor>>) => Tensor;
  /** How many nodes the backward pass has reached, the result first. Default all. */
  readonly reached?: number;
}

/** The squared error of a neuron without a nonlinearity. */
const squaredError = ({ w, x, b, y }: Readonly<Record<string, Tensor>>): Tensor =>
  w.mul(x).add(b).sub(y).square();

/** A node of the graph, with its place: a row, counted from the result, and a column. */
interface Placed {
  readonly tensor: Tensor;
  readonly name: string;
  readonly row: number;
  readonly column: number;
}

const BOX = { width: 92, height: 52 };
const ROW = 86;
const TOP = 46;

/** Draws the graph of an expression. */
export function draw(options: ExpressionGraphOptions = {}): string {
  const { leaves = { w: 2, x: 3, b: 1, y: 5 }, expression = squaredError } = options;
  const { reached = Infinity } = options;
  const inputs = Object.fromEntries(Object.entries(leaves).map(([name, value]) =>
    [name, tensor(value, { dtype: 'f64', requiresGrad: true })]));
  const result = expression(inputs);
  const nodes = place(result, new Map(Object.entries(inputs).map(([name, leaf]) => [leaf, name])));
  const gradients = grad(result, nodes.map((node) => node.tensor));
  const rows = 1 + Math.max(...nodes.map(({ row }) => row));
  const columns = 1 + Math.max(...nodes.map(({ column }) => column));
  const boxOf = ({ row, column }: Placed): Box => {
    const x = (column + 0.5) * (WIDTH / columns) - BOX.width / 2;
    return { ...BOX, x, y: TOP + (rows - 1 - row) * ROW };
  };
  const found = new Map(nodes.map((node) => [node.tensor, node]));
  const edges = nodes.flatMap((node) => (node.tensor.node?.inputs ?? []).map((input, i, all) => {
    const from = found.get(input);
    // An input that is used twice has an arrow for each use.
    const isTwice = all.indexOf(input) !== all.lastIndexOf(input);
    return from && edge(boxOf(from), boxOf(node), isTwice ? 2 * i - 1 : 0);
  })).filter((mark) => mark !== undefined);
  const boxes = nodes.map((node, i) =>
    drawNode(boxOf(node), node, node.tensor.item(), i < reached ? gradients[i].item() : undefined));
  return picture({
    height: TOP + (rows - 1) * ROW + BOX.height + 14,
    title: 'The graph of an expression, with value and gradient in every node',
    description: nodes.map((node, i) => `${node.name}: value ${number(node.tensor.item())}` +
      (i < reached ? `, gradient ${number(gradients[i].item())}` : '')).join('; '),
  }, [...legend(), ...edges, ...boxes]);
}

/** The nodes of a graph, the result first; those that hold no variable are left out. */
function place(result: Tensor, names: ReadonlyMap<Tensor, string>): Placed[] {
  const rows = new Map<Tensor, number>();
  const descend = (x: Tensor, row: number): void => {
    rows.set(x, Math.max(row, rows.get(x) ?? 0));
    for (const input of x.node?.inputs ?? []) if (input.requiresGrad) descend(input, row + 1);
  };
  descend(result, 0);
  const columns = new Map<Tensor, number>();
  let next = 0;
  const ascend = (x: Tensor): number => {
    const known = columns.get(x);
    if (known !== undefined) return known;
    const inputs = [...new Set(x.node?.inputs ?? [])].filter((input) => input.requiresGrad);
    const places = inputs.map(ascend);
    const column = places.length === 0
      ? next++ : places.reduce((sum, one) => sum + one, 0) / places.length;
    columns.set(x, column);
    return column;
  };
  ascend(result);
  return Array.from(rows, ([x, row]) => ({
    tensor: x, row, column: columns.get(x) ?? 0, name: names.get(x) ?? x.node?.primitive.name ?? '',
  }));
}

/** From the bottom of one box to the top of the next, to a side of its own if that is ±1. */
function edge(from: Box, to: Box, side: number): Mark {
  const [x1, x2] = [from.x + from.width / 2, to.x + to.width / 2];
  const quarter = to.width / 4;
  const start = x1 + side * quarter;
  const end = x2 + (side === 0 ? Math.sign(x1 - x2) : side) * quarter;
  return arrow([[start, from.y + from.height], [end, to.y - 2]], { color: 'quiet' });
}

/** A box: the name on top, below it the value and the gradient. */
function drawNode(
  place: Box, { name, tensor: x }: Placed, value: number, gradient: number | undefined,
): Mark {
  const half = { y: place.y + 25, width: place.width / 2 - 3, height: place.height - 28 };
  const [left, right] = [place.x + 3, place.x + place.width / 2];
  const middle = half.y + half.height / 2;
  const isLeaf = x.node === undefined;
  return [
    box(place, { outline: isLeaf ? 'ink' : 'quiet', fill: 'page', radius: 6 }),
    text(place.x + place.width / 2, place.y + 13, name, { anchor: 'middle', class: 'bold' }),
    box({ ...half, x: left }, { fill: 'c0', radius: 4 }),
    box({ ...half, x: right }, { fill: 'c1', radius: 4 }),
    drawNumber(left + half.width / 2, middle, value, 'c0'),
    gradient === undefined ? '' : drawNumber(right + half.width / 2, middle, gradient, 'c1'),
  ].join('');
}

/** A number in the middle of its half of a box, small if it is long. */
function drawNumber(x: number, y: number, value: number, color: 'c0' | 'c1'): Mark {
  const label = number(value);
  const look = { anchor: 'middle', color } as const;
  return text(x, y, label, label.length > 4 ? { ...look, class: 'small' } : look);
}

function legend(): Mark[] {
  const swatch = { y: 14, width: 14, height: 14 };
  return [
    box({ ...swatch, x: 14 }, { fill: 'c0', radius: 3 }),
    text(34, 21, 'value, going down', { color: 'c0', class: 'small' }),
    box({ ...swatch, x: 206 }, { fill: 'c1', radius: 3 }),
    text(226, 21, 'gradient, going up', { color: 'c1', class: 'small' }),
  ];
}
