/** Results that come later: promises, and objects of other libraries that act like them. */

/** Whether a result comes later. Promises need not be those of the language. */
export function isThenable(result: unknown): result is PromiseLike<unknown> {
  return typeof result === 'object' && result !== null && 'then' in result &&
    typeof result.then === 'function';
}
