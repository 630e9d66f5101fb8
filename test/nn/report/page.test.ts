/** The report as a page: well-formed, true to the log, safe, and small. */
import { parseLog, reportPage, type Run } from '@mambagrad/nn';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hoverScript } from '../../../packages/nn/src/report/hoverScript.ts';
import { elementsOf, type Node, parseMarkup, textOf } from '../../support/markup.ts';
import { runs } from '../../support/soak.ts';

/** The page of a log as a tree. */
const parse = (log: Run | string | Iterable<string>, options = {}): Node => {
  const page = reportPage(log, options);
  expect(page.startsWith('<!DOCTYPE html>\n')).toBe(true);
  return parseMarkup(page.slice('<!DOCTYPE html>\n'.length));
};

const line = (step: number, loss: number | null, more = {}) => JSON.stringify({
  step, lr: 0.1, gradientNorm: step, metrics: { loss }, seconds: step, ...more,
});

const figure = (page: Node, title: string): Node => {
  const found =
    elementsOf(page, 'figure').find((each) => textOf(elementsOf(each, 'h3')[0]) === title);
  if (found === undefined) throw new Error(`no figure ${title}`);
  return found;
};
const rowsOf = (table: Node): string[][] => elementsOf(table, 'tr').map((row) =>
  row.children.map((cell) => textOf(cell as Node)));

describe('numbers', () => {
  const log = [
    JSON.stringify({ event: 'begin', step: 0, epochs: 2, model: 'a model', parameters: 1234 }),
    line(1, 4, { epoch: 0.5 }),
    line(2, 2, { validation: { loss: 3, confusion: [[5, 1], [0, 4]] } }),
    line(3, 1, { validation: { loss: 2.5, confusion: [[6, 0], [2, 3]] } }),
    line(4, 0.5, { epoch: 2, validation: { loss: 2.75, confusion: [[1, 5], [4, 0]] } }),
    JSON.stringify({ event: 'sample', step: 4, text: 'once upon' }),
    JSON.stringify({ event: 'end', step: 4, reason: 'patience' }),
  ];
  const page = parse(log.join('\n'), { title: 'Mine', classes: ['cat', 'dog'] });

  test('are those of the log, in the overview, in tables and in the picture', () => {
    const figures = elementsOf(page, 'dl')[0].children.map((child) => textOf(child as Node));
    expect(figures).toEqual([
      'steps42 epochs', 'training loss0.5last step', 'validation loss2.75after step 4',
      'best validation loss2.5after step 3', 'time4 s1 steps/s', 'parameters1,234',
    ]);
    const loss = figure(page, 'loss');
    expect(rowsOf(loss)).toEqual([
      ['step', 'training', 'validation'],
      ['1', '4', ''], ['2', '2', '3'], ['3', '1', '2.5'], ['4', '0.5', '2.75'],
    ]);
    expect(rowsOf(figure(page, 'gradient norm')).slice(1)).toEqual(
      [1, 2, 3, 4].map((step) => [`${step}`, `${step}`]),
    );
  });

  test('lie in the picture where the ticks say', () => {
    for (const svg of elementsOf(figure(page, 'loss'), 'svg')) {
      const isLog = svg.attributes['class'] === 'log';
      const of = isLog ? Math.log : (x: number) => x;
      // From two ticks of each axis follow the values of all points.
      const ticks = elementsOf(svg, 'text').map((each) => ({
        value: Number(textOf(each)), x: Number(each.attributes['x']),
        y: Number(each.attributes['y']),
        isStep: each.attributes['text-anchor'] === 'middle',
      })).filter(({ value }) => !Number.isNaN(value));
      const [steps, values] =
        [ticks.filter(({ isStep }) => isStep), ticks.filter(({ isStep }) => !isStep)];
      const [s0, s1] = [steps[0], steps[steps.length - 1]];
      const [v0, v1] = [values[0], values[values.length - 1]];
      const path = elementsOf(svg, 'path')[0].attributes['d'];
      const points = Array.from(path.matchAll(/[ML]([\d.]+) ([\d.]+)/g), ([, x, y]) => [
        s0.value + ((Number(x) - s0.x) * (s1.value - s0.value)) / (s1.x - s0.x),
        of(v0.value) + ((Number(y) + 4.5 - v0.y) * (of(v1.value) - of(v0.value))) / (v1.y - v0.y),
      ]);
      expect(points).toHaveLength(4);
      points.forEach(([step, value], i) => {
        expect(step).toBeCloseTo(i + 1, 2);
        expect(value).toBeCloseTo(of([4, 2, 1, 0.5][i]), 1);
      });
    }
  });

  test('of the best evaluation make the confusion matrix', () => {
    const table =
      elementsOf(page, 'table').find((each) => each.attributes['class'] === 'matrix') as Node;
    expect(rowsOf(table)).toEqual([
      ['true ↓ predicted →', 'cat', 'dog'], ['cat', '6', '·'], ['dog', '2', '3'],
    ]);
  });

  test('stand beside the title, model, samples and the end', () => {
    const all = textOf(elementsOf(page, 'main')[0]);
    for (const words of [
      'Mine', 'Ended: validation got no better (patience).', 'a model', 'after step 4', 'once upon',
      'fit began, until epoch 2',
    ]) {
      expect(all).toContain(words);
    }
  });
});

test('a page is well-formed and names nothing outside of it, whatever the log holds', () => {
  const names = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom(
    '<script>alert(1)</script>', '"><img src=x onerror=alert(1)>', '__proto__', 'constructor',
    "' onload='x",
    '</style><b>', '&amp;', '\ud800', '\0', 'a.b.c', '', '-->', ']]>', '\u202egnp.exe',
  ));
  const value =
    fc.oneof(fc.double(), fc.constant(null), fc.constant('<b>'), fc.constant([[1, 2], [3, 4]]));
  const fields = fc.dictionary(names, value);
  const step = fc.record({
    step: fc.nat(20), metrics: fields, validation: fields, lr: value, gradientNorm: value,
    seconds: value,
  }, { requiredKeys: ['step'] });
  const event = fc.record({
    event: fc.oneof(fc.constantFrom('begin', 'resume', 'sample', 'end'), names), step: fc.nat(20),
    text: names, model: names, reason: names, message: names, source: names,
  }, { requiredKeys: ['event'] });
  const lines = fc.array(fc.oneof(step, event, names));
  fc.assert(
    fc.property(lines, names, fc.array(names), (log, title, classes) => {
      const page = parse(log.map((each) => JSON.stringify(each)), { title, classes });
      const [h1] = elementsOf(page, 'h1');
      // eslint-disable-next-line no-control-regex
      const shown =
        title.replace(/[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]|\p{Surrogate}/gu, '\ufffd');
      expect(textOf(h1)).toBe(shown);
      for (const name of ['img', 'a', 'link', 'iframe', 'b']) {
        const found = elementsOf(page, name);
        expect(found.filter((each) => textOf(each) !== ' (faint: each step)')).toEqual([]);
      }
      expect(elementsOf(page, 'script').map(textOf)).toEqual([hoverScript]);
      const ids = Array.from(JSON.stringify(page).matchAll(/"id":"([^"]*)"/g), ([, id]) => id);
      expect(new Set(ids).size).toBe(ids.length);
      for (const name of ['path', 'line', 'circle', 'text']) {
        for (const { attributes } of elementsOf(page, name)) {
          expect(Object.values(attributes).join()).not.toMatch(/NaN|Infinity|undefined/);
        }
      }
    }),
    { numRuns: runs(40) },
  );
});

test('runs of no, one and two steps, and of nothing finite, have a page', () => {
  expect(textOf(parse(''))).toContain('The log has no step yet.');
  const one = parse(line(1, 2));
  expect(rowsOf(figure(one, 'loss'))).toEqual([['step', 'training'], ['1', '2']]);
  expect(elementsOf(figure(one, 'loss'), 'path')[0].attributes['d']).toMatch(/^M[\d.]+ [\d.]+h0$/);
  const two = parse([line(1, 2), line(2, null)]);
  expect(rowsOf(figure(two, 'loss'))).toEqual([['step', 'training'], ['1', '2'], ['2', '–']]);
  const none = parse([line(1, null), line(2, null)]);
  expect(() => figure(none, 'loss')).toThrow('no figure loss');
  expect(textOf(elementsOf(none, 'dl')[0])).toContain('training loss–last step');
});

test('says what of the log was left out', () => {
  const text = textOf(parse([line(1, 2), line(2, 1), '{"st', line(2, 3), line(3, 1)]));
  expect(text).toContain('Left out: 1 logged step, taken again or abandoned after a resume.');
  expect(text).toContain('Left out: 1 line of the log that cannot be read (3).');
});

test('a run of 100,000 steps makes a page below a megabyte, whose curves keep their extremes', () => {
  const steps = Array.from({ length: 100_000 }, (_, i) => ({
    step: i + 1, epoch: i / 1000, seconds: i / 100, duration: 0.01, lr: 0.1,
    gradientNorm: 1 + Math.abs(Math.sin(i)),
    // Two values that only one step each has.
    metrics: {
      loss: i === 54_321 ? 9.5 : i === 77_777 ? 0.125 : 2 + Math.sin(i * i), accuracy: Math.cos(i),
    },
  }));
  const samples = steps.filter(({ step }) => step % 100 === 0).map(({ step }) => (
    { event: 'sample', step, fields: { text: 'word '.repeat(200) } }));
  const run: Run = { steps, evaluations: [], events: samples, replacedSteps: 0, brokenLines: [] };
  const page = reportPage(run);
  expect(page.length).toBeLessThan(300_000);
  const tree = parseMarkup(page.slice('<!DOCTYPE html>\n'.length));
  expect(rowsOf(figure(tree, 'loss'))).toContainEqual(['54,322', '9.5']);
  expect(rowsOf(figure(tree, 'loss'))).toContainEqual(['77,778', '0.125']);
  for (const svg of elementsOf(figure(tree, 'loss'), 'svg')) {
    const { d } = elementsOf(svg, 'path')[0].attributes;
    const heights = Array.from(d.matchAll(/(?:[ML][\d.]+ |V)([\d.]+)/g), ([, y]) => Number(y));
    // The chart reaches from 12 to 216; a 25th of it is left free at each end.
    expect(Math.min(...heights)).toBeCloseTo(12 + 204 / 27, 0);
    if (svg.attributes['class'] === 'log') {
      expect(Math.max(...heights)).toBeCloseTo(216 - 204 / 27, 0);
    }
  }
  expect(textOf(tree)).toContain('12 of 1,000 samples.');
});

test('options are checked', () => {
  expect(() => reportPage(3 as never)).toThrow(
    'reportPage: log is 3, expected a run, the text of a log, or its lines',
  );
  expect(() => reportPage('', { smoothing: -1 })).toThrow(
    'reportPage: smoothing is -1, expected a number from 0',
  );
  expect(parseLog('').steps).toEqual([]);
});

test('numbers of one object share a chart, of ten curves at most', () => {
  const perClass = Array.from({ length: 11 }, (_, i) => i / 11);
  const page = parse([line(1, 2, { validation: { f1: { macro: 0.5, micro: 0.25, perClass } } })]);
  expect(rowsOf(figure(page, 'f1'))).toEqual(
    [['step', 'validation: macro', 'validation: micro'], ['1', '0.5', '0.25']],
  );
  expect(rowsOf(figure(page, 'f1.perClass'))[0]).toHaveLength(1 + 10);
  expect(textOf(figure(page, 'f1.perClass'))).toContain('Not shown: 1 more curve.');
});

test('the best evaluation is the one of the metric that judges', () => {
  const evaluated = (step: number, loss: number, accuracy: number) =>
    line(step, loss, { validation: { loss, accuracy, confusion: [[step]] } });
  const log =
    [evaluated(1, 3, 0.25), evaluated(2, 1, 0.5), evaluated(3, 2, 0.75), evaluated(4, 2, 0.75)];
  const bestIn = (more: readonly string[]) => {
    const page = parse([...log, ...more]);
    const matrix =
      elementsOf(page, 'table').find((each) => each.attributes['class'] === 'matrix') as Node;
    return `${/best validation [a-z]+/.exec(textOf(elementsOf(page, 'dl')[0]))?.[0]}: ` +
      `${rowsOf(matrix)[1][1]}`;
  };
  const judge = { metric: 'accuracy', direction: 'max', value: 0.75, step: 3 };
  const end = JSON.stringify({ event: 'end', step: 4, reason: 'stopped', best: judge });
  expect(bestIn([])).toBe('best validation loss: 2');
  expect(bestIn([end])).toBe('best validation accuracy: 3');
  // What was logged of an earlier end is not the last word.
  expect(bestIn([end, JSON.stringify({ event: 'begin', step: 4 }), evaluated(5, 9, 1)])).toBe(
    'best validation accuracy: 5',
  );
});

test('an axis is logarithmic at first where a curve ends low, and linear where it ends high', () => {
  const falling = Array.from({ length: 20 }, (_, i) =>
    line(i + 1, 0.5 ** i, { validation: { accuracy: 1 - 0.6 ** (i + 1) } }),
  );
  const rising =
    falling.map((each, i) => each.replace(`"loss":${0.5 ** i}`, `"loss":${0.5 ** (20 - i)}`));
  const isLog = (log: string[], title: string) =>
    'checked' in elementsOf(figure(parse(log), title), 'input')[0].attributes;
  expect([isLog(falling, 'loss'), isLog(rising, 'loss'), isLog(falling, 'accuracy')]).toEqual(
    [true, false, false],
  );
});
