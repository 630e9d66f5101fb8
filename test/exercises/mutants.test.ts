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
