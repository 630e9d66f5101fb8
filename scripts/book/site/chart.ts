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

class Chart {
  readonly element: HTMLElement;
  readonly #name: string;
  readonly #values: number[] = [];
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

  add(value: number): void {
    this.#values.push(value);
  }

  /** Draws all points: of many, the smallest and the largest of each column. */
  draw(): void {
    const values = this.#values.filter(Number.isFinite);
    if (values.length === 0) return;
    let [low, high] = [Infinity, -Infinity];
    for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
    const x = (i: number): string => ((i / Math.max(values.length - 1, 1)) * WIDTH).toFixed(1);
    const y = (value: number): string =>
      (HEIGHT - 4 - ((value - low) / (high - low || 1)) * (HEIGHT - 8)).toFixed(1);
    const step = Math.max(1, Math.ceil(values.length / WIDTH));
    const points: string[] = [];
    for (let i = 0; i < values.length; i += step) {
      const some = values.slice(i, i + step);
      for (const value of new Set([Math.min(...some), Math.max(...some)])) {
        points.push(`${x(i)},${y(value)}`);
      }
    }
    this.#line.setAttribute('points', points.join(' '));
    const [first, last] = [values[0], values[values.length - 1]].map((each) => each.toPrecision(3));
    const text = `${this.#name}: ${values.length} points, from ${first} to ${last}`;
    this.#caption.textContent = `${text}, between ${low.toPrecision(3)} and ${high.toPrecision(3)}`;
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

  add(name: string, value: number): void {
    let chart = this.#charts.get(name);
    if (chart === undefined) {
      if (this.#charts.size === MOST_CHARTS) return;
      chart = new Chart(name);
      this.#charts.set(name, chart);
      this.element.append(chart.element);
    }
    chart.add(value);
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    requestAnimationFrame(() => {
      this.#isWaiting = false;
      for (const each of this.#charts.values()) each.draw();
    });
  }
}
