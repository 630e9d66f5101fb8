/**
 * The graph that computed a tensor: as a list in topological order, and as text, a program or a
 * tree. Nodes are numbered as they are made, so ascending numbers are a topological order, and the
 * graph is a program with one op on each line:
 *
 *     %0 = leaf(requiresGrad)  f32[2, 3]
 *     %1 = constant  f32[] 2.
 *     %2 = mul(%0, %1)  f32[2, 3]
 *     %3 = sum(%2, axes=[0, 1], keepDims=false)  f32[]
 */
import { checkArgument, tensors } from './options.ts';
import { describe } from './shape.ts';
import type { Tensor } from './tensor.ts';

/**
 * The outputs and all tensors that they were computed from, in topological order, leaves first.
 * Only tensors that satisfy `isPart` are visited.
 */
export function graphOf(
  outputs: readonly Tensor[], isPart: (tensor: Tensor) => boolean = () => true,
): Tensor[] {
  const found = new Set(outputs.filter(isPart));
  // Iterating over a set also visits elements that are added meanwhile: no recursion.
  for (const { node } of found) {
    for (const input of node?.inputs ?? []) if (isPart(input)) found.add(input);
  }
  return [...found].sort((a, b) => (a.node?.id ?? 0) - (b.node?.id ?? 0));
}

/**
 * The graph behind `output` as text, one line for each tensor in order of evaluation: its number,
 * the primitive, its inputs by number, its attributes, and its dtype and shape. An op with several
 * results is one line, with a number for each of them. Tensors without a node come where they are
 * first used, as `leaf(requiresGrad)` if they require gradients, else as `constant`; with their
 * value if they are 0-d.
 */
export function formatGraph(output: Tensor): string {
  checkArgument('formatGraph', 'output', output, tensors);
  const numbers = new Map<Tensor, string>();
  const lines: string[] = [];
  const numberOf = (tensor: Tensor): string => {
    const known = numbers.get(tensor);
    if (known !== undefined) return known;
    const inputs = tensor.node?.inputs.map(numberOf);
    const results = tensor.node?.results ?? [tensor];
    for (const result of results) numbers.set(result, `%${numbers.size}`);
    const named = results.map((result) => numbers.get(result)).join(', ');
    const specs = tensor.node ? results.map(describe).join(', ') : formatSpec(tensor);
    lines.push(`${named} = ${formatMaker(tensor, inputs)}  ${specs}`);
    return numberOf(tensor);
  };
  // What has a node comes after its inputs, so that only leaves are added on the way.
  for (const tensor of graphOf([output])) if (tensor.node || tensor === output) numberOf(tensor);
  return lines.join('\n');
}

/** What made a tensor: a call with its attributes, or that it is a leaf. */
function formatMaker({ node, requiresGrad }: Tensor, inputs: readonly string[] = []): string {
  if (node === undefined) return requiresGrad ? 'leaf(requiresGrad)' : 'constant';
  return `${node.primitive.name}(${[...inputs, ...formatAttributes(node.attributes)].join(', ')})`;
}

/** What a tensor is: its dtype and shape, and the value of a single number from outside. */
function formatSpec(tensor: Tensor): string {
  return tensor.node === undefined && tensor.ndim === 0 ? String(tensor) : describe(tensor);
}

/** The depth from which on lines are not indented further. */
const DEEPEST = 40;

/**
 * The graph behind `output` as an indented tree: below each tensor, one level further in, what it
 * was computed from. A tensor that is met again is its number alone. Of an op with several results
 * the number of the result is said: `topk(axis=0)[1]` is the second.
 */
export function formatTree(output: Tensor): string {
  checkArgument('formatTree', 'output', output, tensors);
  const numbers = new Map<Tensor, string>();
  const lines: string[] = [];
  const left = [{ tensor: output, depth: 0 }];
  for (let next = left.pop(); next !== undefined; next = left.pop()) {
    const { tensor, depth } = next;
    const known = numbers.get(tensor);
    const number = known ?? `%${numbers.size}`;
    numbers.set(tensor, number);
    const line = known ?? `${number} = ${formatMaker(tensor)}${formatPlace(tensor)}`;
    lines.push('  '.repeat(Math.min(depth, DEEPEST)) + line);
    const inputs = known === undefined ? (tensor.node?.inputs ?? []) : [];
    for (const input of inputs.toReversed()) left.push({ tensor: input, depth: depth + 1 });
  }
  return lines.join('\n');
}

/** Which result of its op a tensor is, if there are several, and what it is. */
function formatPlace(tensor: Tensor): string {
  const results = tensor.node?.results ?? [];
  const place = results.length > 1 ? `[${results.indexOf(tensor)}]` : '';
  return `${place}  ${formatSpec(tensor)}`;
}

/** The number of entries of a list that are shown. */
const LONGEST = 8;

/** The attributes of an op in short form: `axes=[0, 1]`. */
export function formatAttributes(attributes: unknown): string[] {
  if (attributes === null || attributes === undefined) return [];
  if (typeof attributes !== 'object' || Symbol.iterator in attributes) return [short(attributes)];
  return Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${short(value)}`);
}

function short(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  if (!(Symbol.iterator in value)) return `{${formatAttributes(value).join(', ')}}`;
  const entries = Array.from(value as Iterable<unknown>);
  const shown = entries.slice(0, LONGEST).map(short);
  return `[${[...shown, ...(entries.length > LONGEST ? ['...'] : [])].join(', ')}]`;
}
