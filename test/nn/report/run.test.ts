/** Reading a log: steps taken twice, lines that are broken, and values that JSON cannot hold. */
import { parseLog } from '@mambagrad/nn';
import fc from 'fast-check';
import { expect, test } from 'vitest';

const step = (number: number, loss: number) => JSON.stringify({
  step: number, lr: 0.1, gradientNorm: 1, metrics: { loss }, seconds: number / 10,
});
const begin = (number: number) => JSON.stringify({ event: 'begin', step: number });

test('a run with resumes is the last branch, whatever was taken twice or abandoned', () => {
  // Each session goes back to a step that was reached, and goes on from there.
  const sessions = fc.array(fc.tuple(fc.nat(20), fc.nat(20)), { minLength: 1, maxLength: 6 });
  fc.assert(
    fc.property(sessions, fc.boolean(), (sizes, hasEvents) => {
      const lines: string[] = [];
      const expected: number[] = [];
      let logged = 0;
      for (const [back, count] of sizes) {
        const start = Math.max(0, expected.length - back);
        // Without an event that tells, an abandoned step is noticed when it is taken again.
        if (hasEvents) lines.push(begin(start));
        if (hasEvents || count > 0) expected.length = start;
        for (let i = 0; i < count; i++) {
          expected.push(++logged);
          lines.push(step(expected.length, logged));
        }
      }
      const { steps, replacedSteps, brokenLines } = parseLog(lines.join('\n'));
      expect(steps.map((each) => each.metrics['loss'])).toEqual(expected);
      expect(steps.map((each) => each.step)).toEqual(expected.map((_, i) => i + 1));
      expect(replacedSteps).toBe(logged - expected.length);
      expect(brokenLines).toEqual([]);
    }),
  );
});

test('a log that is cut anywhere loses the last line at most, and says so', () => {
  const lines = [begin(0), step(1, 3), step(2, 2), JSON.stringify({ event: 'end', step: 2 })];
  const text = `${lines.join('\n')}\n`;
  fc.assert(
    fc.property(fc.nat(text.length), (length) => {
      const cut = text.slice(0, length);
      const whole =
        lines.filter((_, i) => lines.slice(0, i + 1).join('\n').length <= length).length;
      const rest = cut.slice(lines.slice(0, whole).map((line) => `${line}\n`).join('').length);
      const { steps, events, brokenLines } = parseLog(cut);
      expect(steps.length + events.length).toBe(whole);
      expect(brokenLines).toEqual(rest === '' ? [] : [whole + 1]);
    }),
  );
});

test('lines that are neither a step nor an event are numbered, empty ones skipped', () => {
  const text =
    ['{"step":1}', '', 'null', '[]', '{"step":-1}', '{"step":1.5}', '{"event":7}', '{"st'];
  const run = parseLog(text);
  expect(run.brokenLines).toEqual([3, 4, 5, 6, 7, 8]);
  expect(run.steps).toEqual([
    { step: 1, epoch: NaN, seconds: NaN, duration: NaN, lr: NaN, gradientNorm: NaN, metrics: {} },
  ]);
  expect(parseLog('').steps).toEqual([]);
  expect(parseLog(new Set(['{"step":4}\r\n'])).steps[0].step).toBe(4);
});

test('evaluations hold numbers by path, and matrices; null is NaN', () => {
  const validation = {
    loss: null, accuracy: 0.5, f1: { macro: 0.25, classes: [0.5, 0] }, confusion: [[3, 1], [0, 4]],
    __proto: 1, text: 'x', ragged: [[1], [2, 3]],
  };
  const line =
    `{"step":3,"metrics":{"loss":1,"__proto__":2},"validation":${JSON.stringify(validation)}}`;
  const { evaluations, steps } = parseLog([line]);
  expect(evaluations).toEqual([{
    step: 3,
    values: {
      loss: NaN, accuracy: 0.5, 'f1.macro': 0.25, 'f1.classes.0': 0.5, 'f1.classes.1': 0,
      __proto: 1,
      'ragged.0.0': 1, 'ragged.1.0': 2, 'ragged.1.1': 3,
    },
    matrices: { confusion: [[3, 1], [0, 4]] },
  }]);
  expect(Object.entries(steps[0].metrics)).toEqual([['loss', 1], ['__proto__', 2]]);
});

test('samples and evaluations of an abandoned branch go, the history of the run stays', () => {
  const sample = (number: number) =>
    JSON.stringify({ event: 'sample', step: number, text: `${number}` });
  const evaluated = (number: number) =>
    JSON.stringify({ step: number, validation: { loss: number } });
  const { events, evaluations } = parseLog([
    begin(0), step(1, 1), evaluated(2), sample(2), evaluated(3), sample(3),
    JSON.stringify({ event: 'resume', step: 2 }), begin(2), sample(3), evaluated(3),
    JSON.stringify({ event: 'end', reason: 'done' }),
  ]);
  expect(events.map((each) => `${each.event} ${each.step}`)).toEqual([
    'begin 0', 'sample 2', 'resume 2', 'begin 2', 'sample 3', 'end 3',
  ]);
  expect(events.at(-1)?.fields['reason']).toBe('done');
  expect(evaluations.map(({ values }) => values['loss'])).toEqual([2, 3]);
});

test('refuses anything but text', () => {
  expect(() => parseLog(3 as never)).toThrow(
    'parseLog: log is 3, expected the text of a log, or its lines',
  );
});

test('the duration of a step is counted anew when fit begins again', () => {
  const at = (number: number, seconds: number | null) => JSON.stringify({ step: number, seconds });
  const { steps } = parseLog([
    begin(0), at(1, 2), at(2, 2.5), begin(2), at(3, 4), at(4, null), at(5, 4.25), at(4, 1),
    at(5, 1.5),
  ]);
  expect(steps.map(({ duration }) => duration)).toEqual([2, 0.5, 4, 1, 0.5]);
});
