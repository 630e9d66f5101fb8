/**
 * The check of an exercise by its name, with its report as text: what the site runs in a worker.
 */
import { check, type Progress } from './check.ts';
import { exercises } from './exercises.ts';
import { textOf } from './report.ts';

/** A report as it is shown. */
export interface NamedReport {
  readonly isDone: boolean;
  readonly text: string;
}

/**
 * Holds the reader's module to the properties of an exercise. Throws if there is no such exercise.
 */
export function checkByName(
  name: string, module: object, onProgress: (progress: Progress) => void,
): NamedReport {
  const exercise = exercises.find((each) => each.name === name);
  if (exercise === undefined) throw new Error(`there is no exercise '${name}'`);
  const report = check(exercise, module, onProgress);
  return { isDone: report.status === 'done', text: textOf(exercise, report) };
}

/** The hints of each exercise, from a nudge to nearly the answer. */
export const hints: Readonly<Record<string, readonly string[]>> = Object.fromEntries(
  exercises.map((exercise) => [exercise.name, exercise.hints]),
);
