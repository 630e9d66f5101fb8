/** What a run tells the page, of code that prints and draws faster than a page can show. */
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Message } from '../../scripts/book/worker/messages.ts';
import { Output } from '../../scripts/book/worker/output.ts';

beforeEach(() => { vi.useFakeTimers(); });
afterEach(() => { vi.useRealTimers(); });

/** An output, with the bundles that it sends. */
function open() {
  const bundles: (readonly Message[])[] = [];
  const output = new Output({ postMessage: (messages) => void bundles.push(messages) });
  const all = <Kind extends Message['kind']>(kind: Kind) =>
    bundles.flat().filter((each): each is Message & { kind: Kind } => each.kind === kind);
  return { output, bundles, all };
}

/** Sends what still waits. */
const end = (output: Output): void => output.say({ kind: 'end', milliseconds: 0 });

describe('a run that prints', () => {
  test('shows all of it, up to some thousand lines at once', () => {
    const { output, all } = open();
    const texts = Array.from({ length: 2000 }, (_, i) => `line ${i}`);
    for (const text of texts) output.print(3, () => text);
    end(output);
    output.flush();
    expect(all('print').map(({ text }) => text)).toEqual(texts);
    expect(all('cut')).toEqual([]);
  });

  test('without end shows how far it is, some lines at a time, and counts the others', () => {
    const { output, bundles, all } = open();
    let formatted = 0;
    for (let i = 0; i < 100_000; i++) {
      output.print(1, () => `${formatted++}, ${i}`);
      vi.advanceTimersByTime(i % 10 === 0 ? 1 : 0);
    }
    output.flush();
    const printed = all('print');
    const cut = all('cut').map(({ count }) => count);
    expect(printed.length + cut.reduce((a, b) => a + b)).toBe(100_000);
    expect(formatted).toBe(printed.length);
    expect(Number(printed.at(-1)?.text.split(', ')[1])).toBeGreaterThan(99_000);
    const later =
      bundles.slice(bundles.findIndex((each) => each.some(({ kind }) => kind === 'cut')) + 1);
    expect(later.length).toBeGreaterThan(100);
    for (const each of later) expect(each.length).toBeLessThanOrEqual(21);
  });

  test('shows the start of a text that is too long, and says so', () => {
    const { output, all } = open();
    output.print(1, () => 'a'.repeat(1e6));
    output.print(1, () => 'b');
    output.flush();
    output.print(1, () => 'c'.repeat(20_000));
    output.flush();
    expect(all('print').map(({ text }) => text.length)).toEqual([200_000, 10_000]);
    expect(all('cut').map(({ count }) => count)).toEqual([1, 1, 1]);
  });
});

test('every point of a curve comes, in order, before the end', () => {
  const points = fc.record({
    name: fc.constantFrom('loss', 'rate'), value: fc.double(), pause: fc.constantFrom(0, 0, 0, 50),
  });
  fc.assert(fc.property(fc.array(points, { size: '+2' }), (list) => {
    const { output, bundles, all } = open();
    for (const { name, value, pause } of list) {
      output.draw(name, value);
      vi.advanceTimersByTime(pause);
    }
    end(output);
    output.flush();
    for (const name of ['loss', 'rate']) {
      expect(all('draw').filter((each) => each.name === name).flatMap(({ values }) => [...values]))
        .toEqual(list.filter((each) => each.name === name).map(({ value }) => value));
    }
    expect(bundles.at(-1)?.at(-1)).toEqual({ kind: 'end', milliseconds: 0 });
  }));
});
