/** What a job shows of itself, on a terminal and elsewhere. */
import { formatTime, Progress } from '@mambagrad/nn';
import { describe, expect, it } from 'vitest';

function record(isTTY: boolean, columns = 100) {
  const written: string[] = [];
  return { written, output: { isTTY, columns, write: (text: string) => written.push(text) } };
}

describe('Progress', () => {
  it('draws one line over and over on a terminal, not more often than the eye needs', () => {
    const { written, output } = record(true);
    let time = 0;
    const progress = new Progress({ total: 4, output, now: () => time });
    for (const step of [1, 2, 3, 4]) {
      time += step === 2 ? 1 : 1000;
      progress.update(step, { loss: `0.${step}` });
    }
    progress.end();
    expect(written).toEqual([
      '\r▕█████               ▏ step 1/4  loss 0.1  0:03 left\u001b[K',
      '\r▕███████████████     ▏ step 3/4  loss 0.3  0:01 left\u001b[K',
      '\r▕████████████████████▏ step 4/4  loss 0.4  0:00 left\u001b[K',
      '\n',
    ]);
  });

  it.each([
    [60, '▕████████████████████▏ step 2/2  0:00 left'],
    [30, '▕███████▏ step 2/2  0:00 left'],
    [26, 'step 2/2  0:00 left'],
    [10, 'step 2/2 '],
  ])('fits %i columns, the last of which stays free', (columns, line) => {
    const { written, output } = record(true, columns);
    new Progress({ total: 2, output, now: () => 0 }).update(2);
    expect(written).toEqual([`\r${line}\u001b[K`]);
    expect(line.length).toBeLessThan(columns);
  });

  it('writes plain lines elsewhere, about twenty, the last among them', () => {
    const { written, output } = record(false);
    const progress = new Progress({ total: 1000, output, now: () => 0 });
    for (let step = 1; step <= 1000; step++) progress.update(step);
    progress.end();
    expect(written.length).toBeGreaterThanOrEqual(20);
    expect(written.length).toBeLessThanOrEqual(22);
    expect(written.at(-1)).toBe('step 1000/1000  0:00 left\n');
    expect(written.every((line) => line.endsWith('\n') && !line.includes('\u001b'))).toBe(true);
  });
});

describe('formatTime', () => {
  it.each([
    [0, '0:00'],
    [59_600, '1:00'],
    [65_000, '1:05'],
    [7_380_000, '2 h 03 min'],
    [NaN, '–:––'],
  ])('%d ms is %s', (time, text) => expect(formatTime(time)).toBe(text));
});
