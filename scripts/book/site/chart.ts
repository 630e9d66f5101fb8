/** Curves that are drawn while their numbers come: one small picture for each name. */
import { element } from './elements.ts';

const WIDTH = 600;
const HEIGHT = 140;
const SVG = 'http://www.w3.org/2000/svg';

function shape(name: string, attributes: Readonly<Record<string, string>>): SVGElement {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/** The smallest and the largest of some points that follow each other. */
interface Column {
  low: number;
  high: number;
}

class Chart {
  readonly element: HTMLElement;
  readonly #name: string;
  #columns: Column[] = [];
  /** How many points each column has; the last may have fewer. */
  #stride = 1;
  #count = 0;
  #first = NaN;
  #last = NaN;
  readonly #caption = element('figcaption');
  readonly #picture: SVGElement;
  readonly #line = shape('polyline', { class: 'curve', 'vector-effect': 'non-scaling-stroke' });

  constructor(name: string) {
    this.#name = name;
    this.#picture = shape('svg', {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img',
    });
    this.#picture.append(this.#line);
    this.element = element('figure', { class: 'chart' }, this.#caption, this.#picture);
  }

  /**
   * Adds a point if it is a number that can be drawn. When there are twice as many columns as the
   * picture is wide, each two become one, so a curve of any length takes little memory.
   */
  add(value: number): void {
    if (!Number.isFinite(value)) return;
    if (this.#count % this.#stride === 0) {
      if (this.#columns.length === 2 * WIDTH) this.#halve();
      this.#columns.push({ low: value, high: value });
    }
    const column = this.#columns[this.#columns.length - 1];
    column.low = Math.min(column.low, value);
    column.high = Math.max(column.high, value);
    if (this.#count === 0) this.#first = value;
    this.#count += 1;
    this.#last = value;
  }

  #halve(): void {
    const columns = this.#columns;
    this.#columns = columns.filter((_, i) => i % 2 === 0).map(({ low, high }, i) => {
      const next = columns[2 * i + 1];
      return { low: Math.min(low, next.low), high: Math.max(high, next.high) };
    });
    this.#stride *= 2;
  }

  draw(): void {
    const columns = this.#columns;
    if (columns.length === 0) return;
    const low = Math.min(...columns.map((column) => column.low));
    const high = Math.max(...columns.map((column) => column.high));
    const y = (value: number): string =>
      (HEIGHT - 4 - ((value - low) / (high - low || 1)) * (HEIGHT - 8)).toFixed(1);
    const points = columns.flatMap((column, i) => {
      const x = ((i / Math.max(columns.length - 1, 1)) * WIDTH).toFixed(1);
      return [...new Set([column.low, column.high])].map((value) => `${x},${y(value)}`);
    });
    this.#line.setAttribute('points', points.join(' '));
    const [from, to, least, most] = [this.#first, this.#last, low, high]
      .map((value) => value.toPrecision(3));
    const text = `${this.#name}: ${this.#count} points, from ${from} to ${to}`;
    this.#caption.textContent = `${text}, between ${least} and ${most}`;
    this.#picture.setAttribute('aria-label', text);
  }
}

/** At most this many curves are drawn. */
const MOST_CHARTS = 8;

/** The curves of a run, drawn again at most once for each frame of the screen. */
export class Charts {
  readonly element = element('div', { class: 'charts' });
  readonly #charts = new Map<string, Chart>();
  #isWaiting = false;

  add(name: string, values: Float64Array): void {
    let chart = this.#charts.get(name);
    if (chart === undefined) {
      if (this.#charts.size === MOST_CHARTS) return;
      chart = new Chart(name);
      this.#charts.set(name, chart);
      this.element.append(chart.element);
    }
    for (const value of values) chart.add(value);
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    requestAnimationFrame(() => {
      this.#isWaiting = false;
      for (const each of this.#charts.values()) each.draw();
    });
  }
}
