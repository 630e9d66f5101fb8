/** Every typical mistake is found, by the property and with the message that fit it. */
import { expect, it } from 'vitest';
import { check } from '../../exercises/checks/check.ts';
import { exercises } from '../../exercises/checks/exercises.ts';
import { textOf } from '../../exercises/checks/report.ts';
import { mutants } from './mutants/mutants.ts';

const all = exercises.flatMap((exercise) => (
  mutants[exercise.name].map(([mistake, ...rest]) => (
    [exercise.name, mistake, exercise, ...rest] as const
  ))
));

it.each(all)('%s: %s', (_name, _mistake, exercise, module, property, message) => {
  const report = check(exercise, module);
  expect(report).toMatchObject({ status: 'failed', property: expect.stringMatching(property) });
  expect(textOf(exercise, report).replaceAll(/\s+/g, ' ')).toMatch(message);
});

it.each(exercises.map((exercise) => [exercise.name, exercise] as const))(
  '%s has no property that every answer has', (name, { properties }) => {
    const isRefused = ({ run }: typeof properties[number]) =>
      mutants[name].some(([, module]) => run(module as never, () => {}) !== undefined);
    expect(properties.filter((each) => !isRefused(each)).map(({ says }) => says)).toEqual([]);
  },
);
