/** Values in messages: how they are printed, and when two count as the same. */

/**
 * A value as short text, in the notation of JavaScript. Numbers have 6 significant digits, unless
 * more are asked for.
 */
export function show(value: unknown, digits = 6): string {
  if (typeof value === 'number') return String(Number(value.toPrecision(digits)));
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value === 'function') return 'a function';
  if (value instanceof Map) {
    return `a Map of ${show(Object.fromEntries(value as Map<string, unknown>), digits)}`;
  }
  if (isList(value)) {
    const texts = Array.from(value, (each) => show(each, digits));
    const line = `[${texts.join(', ')}]`;
    // A long table has a line for each row.
    return line.length > 70 && texts.length > 1 && !texts.some((text) => text.length < 20)
      ? `[${texts.join(',\n ')}]`
      : line;
  }
  if (typeof value !== 'object' || value === null) return String(value);
  const parts = Object.entries(value).map(([name, each]) => `${name}: ${show(each, digits)}`);
  return parts.length === 0 ? '{}' : `{ ${parts.join(', ')} }`;
}

/** A copy of lists and plain objects, and of what is in them. */
export function copyOf<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([name, each]) => [name, copyOf(each)]);
  return (Array.isArray(value)
    ? value.map((each: unknown) => copyOf(each))
    : Object.fromEntries(entries)) as T;
}

/** Whether two values are the same, numbers up to a relative error. */
export function isAlike(a: unknown, b: unknown, tolerance: number): boolean {
  if (typeof a === 'number' && typeof b === 'number') {
    const allowed = tolerance * Math.max(1, Math.abs(a), Math.abs(b));
    return Object.is(a, b) || Math.abs(a - b) <= allowed;
  }
  if (a instanceof Map && b instanceof Map) {
    return isAlike(sortedEntries(a), sortedEntries(b), tolerance);
  }
  if (isList(a) && isList(b)) {
    const [left, right] = [Array.from(a), Array.from(b)];
    return left.length === right.length &&
      left.every((each, i) => isAlike(each, right[i], tolerance));
  }
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  if (a instanceof Map || b instanceof Map || isList(a) || isList(b)) return false;
  return isAlike(sortedEntries(Object.entries(a)), sortedEntries(Object.entries(b)), tolerance);
}

function sortedEntries(entries: Iterable<readonly [unknown, unknown]>): unknown[] {
  return [...entries].sort(([a], [b]) => (String(a) < String(b) ? -1 : 1));
}

function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}
