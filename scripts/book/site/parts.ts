/**
 * Which parts of the code a page loads: what all programs need is in the first, `packages`, and a
 * module that several others need is in the first of them.
 */
import type { Job } from '../worker/messages.ts';

/** What draws the pictures that can be changed, those first that others are made of. */
export const drawingParts = ['packages', 'models', 'extend', 'drawing'];

/** What a program needs, those first that others are made of. */
export function partsOf({ blocks, exercise }: Pick<Job, 'blocks' | 'exercise'>): string[] {
  const code = blocks.map((block) => block.code).join('\n');
  const needs = (pattern: RegExp): boolean => pattern.test(code);
  const needsBrowser = needs(/['"][@\w/-]*\/browser['"]/);
  // What runs in folders and in browsers have in common is in the part that comes first.
  const needsNode = needsBrowser || needs(/['"](?:node:\w+|[@\w/-]*\/node)['"]/);
  const needsTesting = needs(/['"][@\w/-]*\/testing['"]/);
  const needsModels = needsNode || needsTesting ||
    needs(/['"](?:@mambagrad\/(?:nn|mamba)|mambagrad(?:\/extend)?)['"]/);
  const isExercise = exercise !== undefined;
  const needsExtend = needsTesting || isExercise || needs(/['"][@\w/-]*\/extend['"]/);
  const needsFastCheck = needsTesting || isExercise || needs(/['"]fast-check['"]/);
  return [
    'packages',
    ...(needsModels ? ['models'] : []), ...(needsNode ? ['node'] : []),
    ...(needsBrowser ? ['browser'] : []), ...(needsExtend ? ['extend'] : []),
    ...(needsFastCheck ? ['fast-check'] : []), ...(needsTesting ? ['testing'] : []),
    ...(isExercise ? ['exercises'] : []),
  ];
}
