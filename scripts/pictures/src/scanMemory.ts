/**
 * The memory of a selective scan, by the formulas of chapter 21: the bytes that it moves if ops
 * compute it and store arrays of all states, [B, L, D, N], and if one kernel does, which keeps the
 * states at the starts of chunks. Below, the kernels over time: eight channels in the lanes of two
 * vectors, chunk by chunk forwards, and backwards with each chunk computed again.
 */
import {
  arrow, box, circle, type Color, heading, line, type Mark, number, picture, type Point, text,
  WIDTH,
} from './kit.ts';

/** The sizes of a scan: sequences, steps, channels, numbers of state, and steps of a chunk. */
export interface ScanSizes {
  readonly B: number;
  readonly L: number;
  readonly D: number;
  readonly N: number;
  readonly chunkSize: number;
}

/** The sizes that the chapter counts with. */
const sizes: ScanSizes = { B: 8, L: 256, D: 128, N: 16, chunkSize: 32 };

/** Bytes of a scan in float32. */
export interface ScanBytes {
  /** u and Δ, which are read, and y, which is written. */
  readonly sequences: number;
  /** The decays and inputs, written and read again; the states, written, and read by C. */
  readonly states: number;
  /** The states at the starts of chunks, written for the backward pass. */
  readonly starts: number;
  /** An array of all states. */
  readonly allStates: number;
  /** The decays of a chunk, and its states before each step and after the last, of 8 channels. */
  readonly scratch: number;
}

/** The bytes of a forward pass; B, C and A are small beside them. */
export function bytesOf({ B, L, D, N, chunkSize }: ScanSizes): ScanBytes {
  const [small, large] = [4 * B * L * D, 4 * B * L * D * N];
  return {
    sequences: 3 * small,
    states: 6 * large,
    starts: 4 * B * Math.ceil(L / chunkSize) * N * D,
    allStates: large,
    scratch: 4 * LANES * N * (2 * chunkSize + 1),
  };
}

/** The channels of two vectors. */
const LANES = 8;
const [LEFT, RIGHT] = [14, WIDTH - 14];
/** As many chunks are drawn in the backward pass. */
const SHOWN = 3;

/** Draws the bytes as bars, and the passes over time. */
export function draw(options: Partial<ScanSizes> = {}): string {
  const scan = { ...sizes, ...options };
  const { B, L, D, N, chunkSize } = scan;
  const { sequences, states, starts, allStates, scratch } = bytesOf(scan);
  const unit = (RIGHT - LEFT) / (sequences + states);
  const bars = [
    bar(74, unit, [[sequences, 'c0'], [states, 'c1']]),
    bar(130, unit, [[sequences, 'c0'], [starts, 'c2']]),
  ];
  const small = (y: number, content: string, color?: Color): Mark =>
    text(LEFT, y, content, { class: 'small', ...(color !== undefined && { color }) });
  const passes = drawPasses(330, L, chunkSize);
  const end = 330 + passes.height;
  return picture({
    height: end + 74,
    title: `The memory of a scan: B = ${B}, L = ${L}, D = ${D}, N = ${N}, chunks of ${chunkSize}`,
    description: `With all states stored a forward pass moves ${bytes(sequences + states)}, in ` +
      `one kernel that keeps the states at the starts of chunks ` +
      `${bytes(sequences + starts)}. All states are ${bytes(allStates)}, these ${bytes(starts)}.`,
  }, [
    heading(LEFT, 18, 'Bytes that a forward pass moves'),
    small(40, `B = ${B}, L = ${L}, D = ${D}, N = ${N}, in float32`),
    small(62, `all states stored: ${bytes(sequences + states)}`),
    small(118, `one kernel, chunk starts kept: ${bytes(sequences + starts)}`),
    ...bars,
    small(174, `u, Δ and y: ${bytes(sequences)}`, 'c0'),
    small(194, `decays, inputs and states, each twice: ${bytes(states)}`, 'c1'),
    small(214, `states at chunk starts, for the backward pass: ${bytes(starts)}`, 'c2'),
    heading(LEFT, 252, 'Over time: 8 channels, in the lanes of two vectors'),
    small(274, `${L} steps to the right, in chunks of ${chunkSize}`),
    small(294, '● a checkpoint: the states before a chunk', 'c2'),
    ...passes.marks,
    small(end + 18, 'dashed: the states of a chunk once more, from its start', 'c2'),
    small(end + 38, 'solid: the gradients of the chunk, from its last step', 'c1'),
    small(end + 58, `scratch memory for 8 channels: ${bytes(scratch)}`),
  ]);
}

/** A bar of parts, each with its bytes and colour. */
function bar(
  y: number, unit: number, parts: readonly (readonly [bytes: number, color: Color])[],
): Mark {
  let x = LEFT;
  return parts.map(([count, color]) => {
    const place = { x, y, width: count * unit, height: 22 };
    x += place.width;
    return box(place, { fill: color, isPale: false });
  }).join('');
}

/** A number of bytes, in the unit that suits it. */
function bytes(count: number): string {
  const [size, unit] = count < 2 ** 20 ? [2 ** 10, 'KiB'] : [2 ** 20, 'MiB'];
  return `${number(count / size)} ${unit}`;
}

/** Where time begins, from the left; and the heights of a vector, and of a line of a pass. */
const [TIME, VECTOR, LINE] = [74, 36, 15];

/** The forward pass, and the backward pass as far as the first chunks that it comes to. */
function drawPasses(
  top: number, length: number, chunkSize: number,
): { marks: readonly Mark[]; height: number } {
  const at = (t: number): number => TIME + t / length * (RIGHT - TIME);
  const starts = Array.from({ length: Math.ceil(length / chunkSize) }, (_, c) => c * chunkSize);
  const name = (y: number, content: string): Mark =>
    text(LEFT, y, content, { class: 'small', color: 'quiet' });
  const backward = top + 2 * VECTOR + 38;
  const shown = starts.slice(-SHOWN).toReversed();
  const height = backward + 18 + 2 * LINE * shown.length - top;
  const dot = (t: number, y: number): Mark =>
    circle(at(t), y, 4, { fill: 'c2', isPale: false });
  return {
    height,
    marks: [
      name(top - 8, 'channel'),
      text(TIME, top - 8, 'forward pass', { class: 'bold' }),
      ...[0, 1].flatMap((vector) => {
        const y = top + 6 + vector * (VECTOR + 6);
        return [
          name(y + VECTOR / 2, `${4 * vector}–${4 * vector + 3}`),
          ...drawLanes(y, [at(0), at(length)]),
          ...starts.map((t) => line([[at(t), y], [at(t), y + VECTOR]], { color: 'c2' })),
          ...starts.map((t) => dot(t, y + VECTOR / 2)),
        ];
      }),
      text(TIME, backward, 'backward pass', { class: 'bold' }),
      ...shown.flatMap((start, i) => {
        const y = backward + 18 + 2 * LINE * i;
        const [from, to] = [at(start), at(Math.min(start + chunkSize, length))];
        return [
          dot(start, y),
          arrow([[from, y], [to, y]], { color: 'c2', class: 'dashed' }),
          arrow([[to, y + LINE], [from, y + LINE]], { color: 'c1' }),
        ];
      }),
      ...(shown.length < starts.length ? [name(height + top - LINE, '… to the first')] : []),
    ],
  };
}

/** The four lanes of a vector over time, each an arrow. */
function drawLanes(y: number, [from, to]: readonly [number, number]): Mark[] {
  const lanes = [0, 1, 2, 3].map((lane): readonly Point[] => {
    const middle = y + (lane + 0.5) * VECTOR / 4;
    return [[from, middle], [to, middle]];
  });
  return [
    box({ x: from, y, width: to - from, height: VECTOR }, { fill: 'c0' }),
    ...lanes.map((points) => arrow(points, { color: 'c0', class: 'thin' })),
  ];
}
