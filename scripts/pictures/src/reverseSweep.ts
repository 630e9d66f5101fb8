/**
 * The reverse sweep, step by step: the tape from the first op to the last, and the gradients that
 * each step of the backward pass adds to the inputs of one op. The ops are visited from the last
 * to the first, so a gradient is complete by the time that it is passed on.
 */
import { type Tensor, tensor } from '@mambagrad/tensor';
import { arrow, box, line, type Mark, number, picture, text, WIDTH } from './kit.ts';

/** The value of x, and how a tape is recorded: results by name, in order. */
export interface ReverseSweepOptions {
  readonly x?: number;
  readonly record?: (x: Tensor) => Readonly<Record<string, Tensor>>;
  /** How many ops are visited. Default all. */
  readonly visits?: number;
}

/** x is used twice by one op, and a by two. */
function example(x: Tensor): Readonly<Record<string, Tensor>> {
  const a = x.mul(x);
  const b = a.mul(3);
  return { a, b, y: a.mul(b) };
}

/** A line of the tape. */
interface Entry {
  readonly name: string;
  readonly tensor: Tensor;
}

/** The gradients before or after a step, by line; the step visits the op of one line. */
interface Step {
  readonly visited: number | undefined;
  readonly gradients: readonly (number | undefined)[];
}

/** The backward pass over a tape of numbers, and the gradients after each step of it. */
function sweep(tape: readonly Entry[]): Step[] {
  const gradients = tape.map((_, i) => i === tape.length - 1
    ? tensor(1, { dtype: 'f64' }) : undefined);
  const steps = [{ visited: undefined, gradients: gradients.map((g) => g?.item()) } as Step];
  for (let i = tape.length - 1; i >= 0; i--) {
    const { tensor: y } = tape[i];
    const { node } = y;
    if (node === undefined) continue;
    const shares = node.primitive.gradient?.([gradients[i]], [y], node.inputs, node.attributes);
    node.inputs.forEach((input, k) => {
      const line = tape.findIndex((entry) => entry.tensor === input);
      const share = shares?.[k]?.();
      if (line >= 0 && share) gradients[line] = gradients[line]?.add(share) ?? share;
    });
    steps.push({ visited: i, gradients: gradients.map((g) => g?.item()) });
  }
  return steps;
}

const [LEFT, TOP, ROW] = [168, 66, 50];

/** Draws the tape, and the gradients after each step. */
export function draw(options: ReverseSweepOptions = {}): string {
  const { x: value = 2, record = example, visits = Infinity } = options;
  const x = tensor(value, { dtype: 'f64', requiresGrad: true });
  const tape = Object.entries({ x, ...record(x) }).map(([name, result]) =>
    ({ name, tensor: result }));
  const last = tape[tape.length - 1];
  const all = sweep(tape);
  const steps = all.slice(0, visits + 1);
  const column = (WIDTH - LEFT - 8) / all.length;
  const bottom = TOP + tape.length * ROW;
  const heads = steps.map(({ visited }, i) => {
    const middle = LEFT + (i + 0.5) * column;
    const name = visited === undefined ? '' : tape[visited].name;
    return text(middle, 26, visited === undefined ? 'start' : 'visit', {
      anchor: 'middle', class: 'small', color: 'quiet',
    }) + text(middle, 44, name, { anchor: 'middle', class: 'bold' });
  });
  return picture({
    height: bottom + 46,
    title: 'The backward pass over a tape, step by step',
    description: steps.map(({ visited, gradients }) => {
      const known = tape.flatMap(({ name }, i) => gradients[i] === undefined ? []
        : [`${name} ${number(gradients[i])}`]);
      const when = visited === undefined ? 'At the start' : `After ${tape[visited].name}`;
      return `${when}: ${known.join(', ')}`;
    }).join('. '),
  }, [
    text(14, 44, 'tape', { class: 'bold' }),
    ...tape.map((entry, i) => drawEntry(entry, tape, TOP + i * ROW)),
    ...heads,
    ...steps.flatMap((step, i) => drawStep(step, steps[i - 1], LEFT + i * column, column)),
    arrow([[LEFT + 6, bottom + 8], [WIDTH - 12, bottom + 8]], { color: 'c1' }),
    text((LEFT + WIDTH) / 2, bottom + 26, `gradients of ${last.name}, over the steps`, {
      anchor: 'middle', class: 'small', color: 'c1',
    }),
  ]);
}

/** A line of the tape: its op, and its value. */
function drawEntry({ name, tensor: y }: Entry, tape: readonly Entry[], top: number): Mark {
  const nameOf = (input: Tensor): string =>
    tape.find((entry) => entry.tensor === input)?.name ?? number(input.item());
  const made = y.node === undefined ? 'given'
    : `${y.node.primitive.name}(${y.node.inputs.map(nameOf).join(', ')})`;
  return [
    line([[14, top - 3], [WIDTH - 8, top - 3]], { class: 'thin' }),
    text(14, top + 13, `${name} = ${made}`, { class: 'code' }),
    text(14, top + 32, `value ${number(y.item())}`, { class: 'small', color: 'c0' }),
  ].join('');
}

/** The gradients after a step: those that it has added to stand out, and arrows lead to them. */
function drawStep(
  { visited, gradients }: Step, before: Step | undefined, left: number, width: number,
): Mark[] {
  const middle = left + width / 2;
  return gradients.map((gradient, i) => {
    if (gradient === undefined) return '';
    const y = TOP + i * ROW + 5;
    const isNew = gradient !== before?.gradients[i];
    const old = before?.gradients[i];
    const place = { x: left + 3, y, width: width - 6, height: 34 };
    const shown = isNew && old !== undefined ? `+${number(gradient - old)}` : undefined;
    return [
      ...(isNew ? [box(place, { outline: 'c1', fill: 'c1', radius: 5 })] : []),
      ...(visited === i ? [box(place, { outline: 'ink', radius: 5 })] : []),
      text(middle, y + (shown === undefined ? 17 : 10), number(gradient), {
        anchor: 'middle', color: isNew ? 'c1' : 'quiet', class: isNew ? 'bold' : 'small',
      }),
      ...(shown === undefined ? []
        : [text(middle, y + 25, shown, { anchor: 'middle', color: 'c1', class: 'small' })]),
    ].join('');
  });
}
