/** What a job shows of itself, on a terminal and elsewhere. */
import { formatTime, Progress, sparkline } from '@mambagrad/nn';
import fc from 'fast-check';
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
      '\r▕█████               ▏ step 1/4  loss 0.1  –:–– left\u001b[K',
      '\r▕███████████████     ▏ step 3/4  loss 0.3  2.00/s  0:01 left\u001b[K',
      '\r▕████████████████████▏ step 4/4  loss 0.4  1.50/s  0:00 left\u001b[K',
      '\n',
    ]);
  });

  it('smooths numbers, and draws how the first has changed', () => {
    const { written, output } = record(true);
    let time = 0;
    // What came before the first update is not counted: it may be compiled, or go on from a step.
    const progress = new Progress({ total: 5000, output, now: () => (time += 500) });
    progress.update(4000, { loss: 2, accuracy: 0, best: '1' });
    progress.update(4100, { loss: 1, accuracy: 1e-9, best: '1' });
    progress.update(5000, { loss: 1, accuracy: 9999, best: '2' });
    expect(written.map((line) => line.replace(/^\r(▕.*▏ )?|\u001b.*/g, ''))).toEqual([
      'step 4000/5000  loss 2.00 ▁  accuracy 0.00  best 1  –:–– left',
      'step 4100/5000  loss 1.90 █▁  accuracy 1.00e-10  best 1  200/s  0:05 left',
      'step 5000/5000  loss 1.81 █▄▁  accuracy 1,000  best 2  1,000/s  0:00 left',
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

  it('writes one every half minute there, however slow the steps are', () => {
    const { written, output } = record(false);
    let time = 0;
    const progress = new Progress({ total: 100_000, output, now: () => time });
    for (let step = 1; step <= 61; step++, time += 1000) progress.update(step);
    expect(written.map((line) => /^step (\d+)/.exec(line)?.[1])).toEqual(['1', '31', '61']);
    // Lines of a share of the job still come, and the half minute is counted from them.
    for (let step = 5061; step <= 5096; step++, time += 1000) progress.update(step);
    expect(written.map((line) => /^step (\d+)/.exec(line)?.[1]).slice(3)).toEqual(['5061', '5091']);
  });
});

describe('sparkline', () => {
  it.each([
    [[], ''],
    [[3], '▁'],
    [[2, 2], '▁▁'],
    [[0, 1, 2, 3, 4, 5, 6, 7], '▁▂▃▄▅▆▇█'],
    [[1, -1, 0], '█▁▅'],
  ])('of %j is %s', (values, text) => expect(sparkline(values, 8)).toBe(text));

  it('has at most so many bars, and rises where the numbers do', () => {
    const number = fc.integer({ min: -1e9, max: 1e9 });
    fc.assert(
      fc.property(fc.uniqueArray(number), fc.integer({ min: 1, max: 9 }), (values, width) => {
        const text = sparkline(values.sort((a, b) => a - b), width);
        expect(text).toMatch(/^▁*▂*▃*▄*▅*▆*▇*█*$/);
        expect(text.length).toBe(Math.min(values.length, width));
        if (text.length > 1) expect([text.at(0), text.at(-1)]).toEqual(['▁', '█']);
      }),
    );
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
