/**
 * The values of cells: numbers and dates, read from a text where they stand. A decimal number of up
 * to 15 digits is a whole number m divided by a power of ten. Both are exact in float64, so the
 * quotient is rounded once, which is the nearest number, as the language defines it; for the others
 * the engine's own `Number` is called.
 */
const [SPACE, TAB, PLUS, MINUS, ZERO] = [0x20, 0x09, 0x2b, 0x2d, 0x30];

/** The most digits for which m and its power of ten are exact. */
const EXACT_DIGITS = 15;
const powersOfTen = Array.from({ length: EXACT_DIGITS + 1 }, (_, i) => 10 ** i);

const decimalNumber = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;
const infinity = /^[+-]?inf(?:inity)?$/i;

/** The number in a part of a text; NaN if it is none. */
export function parseNumber(text: string, start: number, end: number, decimal = '.'): number {
  const sign = text.charCodeAt(start);
  const first = start < end && (sign === MINUS || sign === PLUS) ? start + 1 : start;
  // One variable a line: this runs for each cell, and destructuring would take half of the time.
  let at = first;
  let m = 0;
  let digits = 0;
  let decimals = 0;
  for (; at < end; at++) {
    const digit = text.charCodeAt(at) - ZERO;
    if (digit >= 0 && digit <= 9) {
      m = 10 * m + digit;
      digits += 1;
    } else if (decimals === 0 && text[at] === decimal) {
      // The digits before the point, with 1 added, so that a point is noted at once.
      decimals = digits + 1;
    } else {
      break;
    }
  }
  if (at < end || digits === 0 || digits > EXACT_DIGITS) {
    return start === end ? NaN : parseSlowly(text.slice(start, end), decimal);
  }
  const value = decimals === 0 ? m : m / powersOfTen[digits - decimals + 1];
  return sign === MINUS ? -value : value;
}

function parseSlowly(text: string, decimal: string): number {
  if (decimal !== '.' && text.includes('.')) return NaN;
  const plain = text.replace(decimal, '.');
  if (decimalNumber.test(plain)) return Number(plain);
  if (!infinity.test(plain)) return NaN;
  return plain.startsWith('-') ? -Infinity : Infinity;
}

/** Where a part of a text begins, without the spaces before it. */
export function afterSpaces(text: string, from: number, to: number): number {
  let start = from;
  while (start < to && isSpace(text.charCodeAt(start))) start += 1;
  return start;
}

/** Where a part of a text ends, without the spaces after it. */
export function beforeSpaces(text: string, from: number, to: number): number {
  let end = to;
  while (end > from && isSpace(text.charCodeAt(end - 1))) end -= 1;
  return end;
}

function isSpace(code: number): boolean {
  return code === SPACE || code === TAB;
}

/** Whether a cell is written as a code, such as 01234: a number would lose its zeros. */
export function isCode(text: string, from: number, to: number): boolean {
  return from + 1 < to && text.charCodeAt(from) === ZERO &&
    text.charCodeAt(from + 1) >= ZERO && text.charCodeAt(from + 1) <= ZERO + 9;
}

const [DAY, HOUR, MINUTE] = [86_400_000, 3_600_000, 60_000];

/** The calendar repeats after 400 years; `Date.UTC` takes a year below 100 for one of 1900. */
const [YEARS, DAYS] = [400, 146_097];

/** The time of day after a date, with its zone. */
const timeOfDay = new RegExp(
  '^[T ]([01]\\d|2[0-3]):([0-5]\\d)(?::([0-5]\\d(?:[.,]\\d{1,9})?))?' +
    '(?:Z|([+-])([01]\\d|2[0-3]):?([0-5]\\d))?$',
);

/**
 * The ISO date in a part of a text, `2024-02`, `2024-02-29` or `2024-02-29T12:30:00.5+01:00`, in
 * milliseconds since 1970; NaN if it is none. Without a zone it is UTC, so that it is the same
 * everywhere.
 */
export function parseDate(text: string, from: number, to: number): number {
  if (to - from !== 7 && to - from < 10) return NaN;
  const year = digitsAt(text, from, 4);
  const month = hyphenated(text, from + 4);
  const day = to - from === 7 ? 1 : hyphenated(text, from + 7);
  const isDate = year >= 0 && month >= 1 && month <= 12 && day >= 1 && day <= daysIn(year, month);
  if (!isDate) return NaN;
  const midnight = Date.UTC(year + YEARS, month - 1, day) - DAYS * DAY;
  return to - from <= 10 ? midnight : midnight + sinceMidnight(text.slice(from + 10, to));
}

/** The milliseconds from midnight to a time such as T12:30:00+01:00; NaN if it is none. */
function sinceMidnight(text: string): number {
  const found = timeOfDay.exec(text);
  if (found === null) return NaN;
  const [, hours, minutes, seconds = '0', sign, zoneHours = 0, zoneMinutes = 0] = found;
  const zone = Number(zoneHours) * HOUR + Number(zoneMinutes) * MINUTE;
  const time = Number(hours) * HOUR + Number(minutes) * MINUTE +
    Math.round(Number(seconds.replace(',', '.')) * 1000);
  return time + (sign === '-' ? zone : -zone);
}

function daysIn(year: number, month: number): number {
  const isLeap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  if (month === 2) return isLeap ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** A hyphen with two digits, as a number; NaN if there are other characters. */
function hyphenated(text: string, at: number): number {
  return text.charCodeAt(at) === MINUS ? digitsAt(text, at + 1, 2) : NaN;
}

/** The number that some digits make; NaN if there are other characters. */
function digitsAt(text: string, from: number, count: number): number {
  let value = 0;
  for (let at = from; at < from + count; at++) {
    const digit = text.charCodeAt(at) - ZERO;
    if (!(digit >= 0 && digit <= 9)) return NaN;
    value = 10 * value + digit;
  }
  return value;
}
