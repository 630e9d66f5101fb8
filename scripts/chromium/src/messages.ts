/** Messages of pages: what DevTools reports of consoles, errors and values, as text. */
import type { Parameters } from './devtools.ts';

/** A line of the console, or an error that nobody caught. */
export interface Message {
  /** `log`, `info`, `debug`, `warning` or `error`. */
  readonly kind: string;
  readonly text: string;
}

/** A value in the page: its JSON if it was asked for, else a description. */
interface RemoteObject {
  readonly value?: unknown;
  readonly unserializableValue?: string;
  readonly description?: string;
  readonly type: string;
}

interface Exception {
  readonly text: string;
  readonly url?: string;
  readonly lineNumber: number;
  readonly exception?: RemoteObject;
}

/** The message that an event reports, if it does. */
export function messageOf(method: string, params: Parameters): Message | undefined {
  if (method === 'Runtime.consoleAPICalled') {
    const { type, args } = params as { type: string; args: readonly RemoteObject[] };
    return { kind: type === 'assert' ? 'error' : type, text: args.map(textOf).join(' ') };
  }
  if (method === 'Runtime.exceptionThrown') {
    const { exceptionDetails } = params as { exceptionDetails: Exception };
    return { kind: 'error', text: errorText(exceptionDetails) };
  }
  if (method === 'Log.entryAdded') {
    // What the browser itself says: files that are not found, what a policy forbids. The consoles
    // of workers are among it as well, and reported by them.
    type Entry = { source: string; level: string; text: string; url?: string };
    const { entry } = params as { entry: Entry };
    if (entry.source === 'worker') return undefined;
    return { kind: entry.level, text: [entry.text, entry.url].filter(Boolean).join(' ') };
  }
  return undefined;
}

function textOf({ value, unserializableValue, description, type }: RemoteObject): string {
  if (unserializableValue !== undefined) return unserializableValue;
  if (typeof value === 'string') return value;
  return description ?? (value === undefined ? type : JSON.stringify(value));
}

function errorText({ text, url, lineNumber, exception }: Exception): string {
  // An error that goes on from a worker to what has started it is null there: a place is all we
  // know.
  const what = !exception || exception.value === null ? text : textOf(exception);
  // The description of an Error has its stack; of other values we know no more than the place.
  return what.includes('\n    at ') || !url ? what : `${what} (${url}:${lineNumber + 1})`;
}

/** The value of an answer of Runtime.evaluate; throws if the expression has thrown. */
export function valueOf(answer: Parameters): unknown {
  const { result, exceptionDetails } = answer as {
    result: RemoteObject; exceptionDetails?: Exception;
  };
  if (exceptionDetails !== undefined) throw new Error(errorText(exceptionDetails));
  // NaN, Infinity and −0 have no JSON.
  const { unserializableValue: special } = result;
  if (special === undefined) return result.value;
  return special.endsWith('n') ? BigInt(special.slice(0, -1)) : Number(special);
}
