/** The search: what is found, in which order, and which piece of text is shown. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  entriesOf, type IndexedPage, marked, search, wordsOf,
} from '../../scripts/book/site/ranking.ts';

const index: readonly IndexedPage[] = [
  ['15. Threads', '23-threads.html', [
    ['', '', 'All cores, and the same bits.'],
    [
      'Who waits', 'who-waits',
      'A thread that has not started is never waited for; the trainer does not care.',
    ],
  ]],
  ['14. Training', '25-training.html', [
    ['', '', 'A trainer repeats a step.'],
    ['The best model', 'the-best-model', `${'It is kept. '.repeat(40)}So patience ends a run.`],
  ]],
  ['@mambagrad/nn', 'api/nn.html', [
    ['', '', 'Modules and layers.'],
    ['Trainer', 'trainer', 'new Trainer(options) Trains a model.'],
    ['TrainerOptions', 'traineroptions', 'patience: how many validations.'],
  ]],
  [
    'packages/nn/src/training/trainer.ts', 'source/packages/nn/src/training/trainer.ts.html',
    [['trainer.ts', '', '']],
  ],
];
const entries = entriesOf(index);
const found = (query: string) => search(entries, query, 10).map(({ entry }) => entry.address);

test.each([
  ['Trainer', ['api/nn.html#trainer', 'api/nn.html#traineroptions',
    'source/packages/nn/src/training/trainer.ts.html',
    '23-threads.html#who-waits', '25-training.html']],
  ['threads', ['23-threads.html', '23-threads.html#who-waits']],
  ['trainer.ts', ['source/packages/nn/src/training/trainer.ts.html']],
  ['patience', ['25-training.html#the-best-model', 'api/nn.html#traineroptions']],
  ['patience valid', ['api/nn.html#traineroptions']],
  ['best', ['25-training.html#the-best-model']],
  ['nothing of the kind', []],
  ['  ', []],
])('%s', (query, addresses) => expect(found(query)).toEqual(addresses));

test('all words are in what is found, whatever they are', () => {
  const word = fc.oneof(
    fc.constantFrom('trainer', 'model', 'thread', 'the', 'nn', 'a', '.', '(', '\\', '*'),
    fc.string(),
  );
  fc.assert(fc.property(fc.array(word, { maxLength: 4 }), (words) => {
    const query = words.join(' ');
    for (const { entry, excerpt } of search(entries, query, 10)) {
      for (const each of wordsOf(query)) expect(entry.lower.join('\n')).toContain(each);
      const shown = excerpt.map(({ text }) => text).join('');
      expect(entry.text).toContain(shown.replace(/^… /, '').replace(/ …$/, ''));
      expect(shown.length).toBeLessThan(260);
    }
  }));
});

describe('an excerpt', () => {
  test('shows the words where they first are, and marks them', () => {
    const [{ excerpt }] = search(entries, 'patience ends', 1);
    expect(excerpt.filter(({ isMatch }) => isMatch).map(({ text }) => text)).toEqual(
      ['patience', 'ends'],
    );
    expect(excerpt[0].text).toMatch(/^… .*So $/);
    expect(excerpt.at(-1)?.text).toBe(' a run.');
  });

  test('is the text, whatever is marked in it', () => {
    fc.assert(fc.property(fc.string(), fc.array(fc.string({ minLength: 1 })), (text, words) => {
      expect(marked(text, words).map((piece) => piece.text).join('')).toBe(text);
    }));
  });
});
