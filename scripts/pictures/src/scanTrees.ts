/**
 * How scans combine their steps. Time goes from left to right, rounds from top to bottom: what
 * stands in one round can be computed at once, as it depends on earlier rounds alone. The pairs are
 * those that the algorithms of `linearScan` combine.
 */
import { type ScanAlgorithm, scanPairs } from '@mambagrad/tensor';
import { circle, line, type Mark, picture, text, WIDTH } from './kit.ts';

/** The number of steps, the size of chunks, and the algorithms. */
export interface ScanTreesOptions {
  readonly length?: number;
  readonly chunkSize?: number;
  readonly algorithms?: readonly ScanAlgorithm[];
}

/** A pair that is combined, with the rounds in which both were made, and that of the result. */
interface Combine {
  readonly earlier: readonly [step: number, round: number];
  readonly later: readonly [step: number, round: number];
  readonly round: number;
  /** The first step of the composite; the last is that of `later`. */
  readonly first: number;
}

/** The combines of an algorithm, each in the first round in which both of its parts are there. */
export function combinesOf(
  algorithm: ScanAlgorithm, length: number, chunkSize: number,
): Combine[] {
  const round = new Array<number>(length).fill(0);
  const first = Array.from({ length }, (_, t) => t);
  return scanPairs(algorithm, length, chunkSize).map(([s, t]): Combine => {
    const [earlier, later] = [[s, round[s]], [t, round[t]]] as const;
    round[t] = 1 + Math.max(round[s], round[t]);
    first[t] = first[s];
    return { earlier, later, round: round[t], first: first[t] };
  });
}

const names = {
  sequential: 'sequential', hillisSteele: 'Hillis–Steele', blelloch: 'Blelloch', chunked: 'chunked',
};
const ROUND = 26;
const HEAD = 56;
const RADIUS = 6;

/** Draws a panel for each algorithm, one below the other. */
export function draw(options: ScanTreesOptions = {}): string {
  const {
    length = 8, chunkSize = 4, algorithms = ['sequential', 'hillisSteele', 'blelloch', 'chunked'],
  } = options;
  let top = 40;
  const [marks, words]: [Mark[], string[]] = [[], []];
  for (const algorithm of algorithms) {
    const combines = combinesOf(algorithm, length, chunkSize);
    const rounds = Math.max(0, ...combines.map(({ round }) => round));
    const name = names[algorithm] + (algorithm === 'chunked' ? `, chunks of ${chunkSize}` : '');
    const size = `${combines.length} combines in ${rounds} rounds`;
    words.push(`${name}: ${size}`);
    marks.push(
      text(14, top + 14, name, { class: 'bold' }),
      text(WIDTH - 14, top + 14, size, { anchor: 'end', color: 'quiet', class: 'small' }),
      ...drawTree(combines, length, top + HEAD),
    );
    top += HEAD + rounds * ROUND + 22;
  }
  return picture({
    height: top - 2, title: `Scans over ${length} steps`, description: `${words.join('; ')}.`,
  }, [...legend(), ...marks]);
}

function legend(): Mark[] {
  const y = 22;
  return [
    circle(20, y, RADIUS, { outline: 'c0', fill: 'page' }),
    text(32, y, 'some steps combined', { class: 'small' }),
    circle(206, y, RADIUS, { outline: 'c2', fill: 'c2', isPale: false }),
    text(218, y, 'all steps up to here', { class: 'small' }),
  ];
}

/** Steps as columns, combines as points of the round in which they are made. */
function drawTree(
  combines: readonly Combine[], length: number, top: number,
): Mark[] {
  const column = (WIDTH - 24) / length;
  const at = ([step, round]: readonly [step: number, round: number]) =>
    [12 + (step + 0.5) * column, top + round * ROUND] as const;
  const isSmall = column < 3 * RADIUS;
  const radius = isSmall ? 2.5 : RADIUS;
  const steps = Array.from({ length }, (_, t) => {
    const [x, y] = at([t, 0]);
    const rounds = combines.filter(({ later }) => later[0] === t).map(({ round }) => round);
    const last = Math.max(0, ...rounds);
    const label = text(x, y - 17, String(t), { anchor: 'middle', color: 'quiet', class: 'small' });
    return [
      line([[x, y], at([t, last])], { class: 'thin' }), ...(isSmall ? [] : [label]),
      circle(x, y, radius, { outline: 'quiet', fill: 'page' }),
    ].join('');
  });
  // Lines first, so that points lie on top of them.
  const lines = combines.map(({ earlier, later: [t], round }) =>
    line([at(earlier), at([t, round])], { color: 'quiet' }));
  const points = combines.map(({ later: [t], round, first }) => {
    const [x, y] = at([t, round]);
    const isPrefix = first === 0;
    return circle(x, y, radius, {
      outline: isPrefix ? 'c2' : 'c0', fill: isPrefix ? 'c2' : 'page', isPale: false,
    });
  });
  const [firstX, firstY] = at([0, 0]);
  // The first step is a prefix as it is.
  const start = length === 0 ? [] : [circle(firstX, firstY, radius, {
    outline: 'c2', fill: 'c2', isPale: false,
  })];
  return [...steps, ...lines, ...points, ...start];
}
