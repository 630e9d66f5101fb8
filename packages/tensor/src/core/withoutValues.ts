/**
 * Shapes without values: ops are recorded as in a trace, and the trace is thrown away.
 */
import { callable, checkArgument } from './options.ts';
import { type Tracer, withMode } from './tensor.ts';

/**
 * Runs `body` with ops that infer shapes and compute nothing, in no time and no memory. Parameters
 * of a model that is built so can be counted, and loaded.
 */
export function withoutValues<T>(body: () => T): T {
  checkArgument('withoutValues', 'body', body, callable());
  const ignore = (): void => undefined;
  const tracer: Tracer = {
    missing: 'this tensor was made in withoutValues and has been given no value since',
    ...{ apply: ignore, assign: ignore, touch: ignore },
    ...{ readGrad: ignore, read: ignore, guard: ignore },
  };
  return withMode('withoutValues', { tracer }, body);
}
