/**
 * From logits to the next token: softmax(x / T), of which top-p keeps the fewest of the most likely
 * tokens that add up to p. A tick shows how often `sample` drew each token.
 */
import { sample } from '@mambagrad/mamba';
import { Generator, tensor } from '@mambagrad/tensor';
import { box, line, type Mark, picture, text, WIDTH } from './kit.ts';

/** The logits by token, the temperatures, and the share of top-p. */
export interface SamplingOptions {
  readonly logits?: Readonly<Record<string, number>>;
  readonly temperatures?: readonly number[];
  readonly topP?: number;
  /** Only so many of the most likely tokens are kept. Default all. */
  readonly topK?: number;
  /** How many tokens are drawn. Default 4,096. */
  readonly draws?: number;
}

const examples = {
  mat: 3.2, sofa: 2.6, floor: 2, roof: 1.2, bed: 0.7, moon: 0, idea: -0.8, verb: -1.6,
};
const [HIGH, LEFT] = [92, 14];

/** Draws the probabilities at each temperature, below each other. */
export function draw(options: SamplingOptions = {}): string {
  const { logits = examples, temperatures = [0.5, 1, 2], draws = 4096 } = options;
  const { topP = 0.9, topK = Infinity } = options;
  const rules = [
    ...(topK === Infinity ? [] : [`topK: ${topK}`]), ...(topP === 1 ? [] : [`topP: ${topP}`]),
  ];
  const names = Object.keys(logits);
  const panels = temperatures.map((temperature, i) => {
    const { probabilities, isKept, shares } = distribution(
      Object.values(logits), { temperature, topP, topK }, draws,
    );
    const count = isKept.filter(Boolean).length;
    const words = `T = ${temperature}: ${count} of ${names.length} tokens kept`;
    const top = 48 + i * (HIGH + 62);
    return { words, marks: panel(top, words, names, probabilities, isKept, shares) };
  });
  return picture({
    height: 48 + temperatures.length * (HIGH + 62) - 6,
    title: `Probabilities at several temperatures, with ${rules.join(', ') || 'all tokens kept'}`,
    description: panels.map(({ words }) => words).join('; '),
  }, [
    box({ x: LEFT, y: 14, width: 14, height: 14 }, { fill: 'c0', outline: 'c0', class: 'thin' }),
    text(34, 21, 'kept', { class: 'small' }),
    box({ x: 84, y: 14, width: 14, height: 14 }, { outline: 'quiet', class: 'thin dashed' }),
    text(104, 21, rules.length > 1 ? 'left out' : `left out by ${rules.join('') || 'nothing'}`, {
      class: 'small',
    }),
    line([[272, 21], [290, 21]], { color: 'c1', class: 'thick' }),
    text(296, 21, 'share of draws', { class: 'small' }),
    ...panels.flatMap(({ marks }) => marks),
  ]);
}

/** The probability of each token, whether it is kept, and the share of it among those drawn. */
function distribution(
  logits: readonly number[],
  { temperature, topP, topK }: Readonly<Record<'temperature' | 'topP' | 'topK', number>>,
  draws: number,
): { probabilities: number[]; isKept: boolean[]; shares: number[] } {
  const x = tensor([[...logits]]);
  const probabilities = Array.from(x.div(temperature).softmax(-1).data);
  // Those that are kept: of the k most likely, the more likely ones add up to less than p.
  const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
  const best = sum(probabilities.toSorted((a, b) => b - a).slice(0, topK));
  const isKept = probabilities.map((own) => {
    const more = probabilities.filter((other) => other > own);
    return more.length < topK && sum(more) / best < topP;
  });
  const drawn = sample(x.broadcastTo([draws, logits.length]), {
    temperature, topP, topK, generator: new Generator(1),
  });
  const tokens = Array.from(drawn.data);
  const counts = logits.map((_, token) => tokens.filter((one) => one === token).length);
  return { probabilities, isKept, shares: counts.map((count) => count / draws) };
}

function panel(
  top: number, words: string, names: readonly string[], probabilities: readonly number[],
  isKept: readonly boolean[], shares: readonly number[],
): Mark[] {
  const wide = (WIDTH - 2 * LEFT) / names.length;
  const bottom = top + 34 + HIGH;
  return [
    text(LEFT, top + 8, words, { class: 'small bold' }),
    line([[LEFT, bottom], [WIDTH - LEFT, bottom]], { class: 'thin' }),
    ...probabilities.map((probability, i) => {
      const [x, width] = [LEFT + i * wide + 5, wide - 10];
      const height = Math.max(probability * HIGH, 1);
      const place = { x, y: bottom - height, width, height };
      const level = bottom - shares[i] * HIGH;
      const highest = Math.min(place.y, level);
      const ends = [[x - 2, level], [x + width + 2, level]] as const;
      const tick = line(ends, { color: 'c1', class: 'thick' });
      return [
        box(place, isKept[i] ? { outline: 'c0', fill: 'c0', class: 'thin' }
          : { outline: 'quiet', class: 'thin dashed' }),
        ...(isKept[i] ? [tick] : []),
        text(x + width / 2, highest - 10, percent(probability), {
          anchor: 'middle', class: 'small', color: isKept[i] ? 'ink' : 'quiet',
        }),
        text(x + width / 2, bottom + 12, names[i], {
          anchor: 'middle', class: 'small', color: isKept[i] ? 'ink' : 'quiet',
        }),
      ].join('');
    }),
  ];
}

function percent(share: number): string {
  return share < 0.01 ? '<1 %' : `${Math.round(100 * share)} %`;
}
