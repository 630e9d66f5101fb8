/** What is asked of every picture. */
import { expect } from 'vitest';
import { elementsOf, type Node, parseMarkup } from './markup.ts';

/** Numbers in an attribute, such as the data of a path. */
const numbersIn = (value: string | undefined): number[] =>
  Array.from(value?.matchAll(/-?\d+(?:\.\d+)?/g) ?? [], ([number]) => Number(number));

/** The widest that a character of a text is, by its class, in a wide font. */
const wide = ({ class: classes = '' }: Readonly<Record<string, string>>): number =>
  classes.includes('code') ? 7.9 : classes.includes('small') ? 7.6 : 8.4;

/** What lies outside of a picture, as text. */
function outside(svg: Node): string[] {
  const [, , width, height] = numbersIn(svg.attributes['viewBox']);
  const boxes = elementsOf(svg, 'rect').map(({ attributes: { x, y, width: wide, height: high } }) =>
    [Number(x), Number(y), Number(x) + Number(wide), Number(y) + Number(high)]);
  const circles = elementsOf(svg, 'circle').map(({ attributes: { cx, cy, r } }) =>
    [
      Number(cx) - Number(r), Number(cy) - Number(r), Number(cx) + Number(r),
      Number(cy) + Number(r),
    ]);
  const paths = elementsOf(svg, 'path').map(({ attributes }) => {
    const numbers = numbersIn(attributes['d']);
    const [xs, ys] = [0, 1].map((odd) => numbers.filter((_, i) => i % 2 === odd));
    return [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
  });
  const texts = elementsOf(svg, 'text').map(({ attributes, children: [content] }) => {
    const length = [...String(content)].length * wide(attributes) * 0.86;
    const [x, y, anchor] =
      [Number(attributes['x']), Number(attributes['y']), attributes['text-anchor']];
    const left = anchor === 'end' ? x - length : anchor === 'middle' ? x - length / 2 : x;
    return [left, y - 12, left + length, y + 3];
  });
  return [...boxes, ...circles, ...paths, ...texts]
    .filter(([x1, y1, x2, y2]) => !(x1 >= 0 && y1 >= 0 && x2 <= width + 0.1 && y2 <= height + 0.1))
    .map((corners) => corners.join(' '));
}

/** Asks of a picture that it is well-formed, described, and within its frame. */
export function expectWellMade(text: string): Node {
  const svg = parseMarkup(text);
  expect(svg.attributes['role']).toBe('img');
  for (const name of ['title', 'desc']) {
    expect(String(elementsOf(svg, name)[0]?.children[0]).length).toBeGreaterThan(10);
  }
  expect(outside(svg)).toEqual([]);
  expect(text.match(/NaN|Infinity|undefined|\[object/)).toBeNull();
  // A tenth of a unit is enough, and the same everywhere.
  expect(text.match(/(?<!fill-opacity)="[^"]*\d\.\d\d[^"]*"/)).toBeNull();
  return svg;
}
