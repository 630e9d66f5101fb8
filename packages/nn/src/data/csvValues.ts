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

/** The number in a part of a text, without the spaces around it; NaN if it is none. */
export function parseNumber(text: string, from: number, to: number, decimal = '.'): number {
  let start = from;
  let end = to;
  while (start < end && isSpace(text.charCodeAt(start))) start += 1;
  while (start < end && isSpace(text.charCodeAt(end - 1))) end -= 1;
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

function isSpace(code: number): boolean {
  return code === SPACE || code === TAB;
}

/** Whether a cell is written as a code, such as 01234: a number would lose its zeros. */
export function isCode(text: string, from: number, to: number): boolean {
  return from + 1 < to && text.charCodeAt(from) === ZERO &&
    text.charCodeAt(from + 1) >= ZERO && text.charCodeAt(from + 1) <= ZERO + 9;
}

const isoDate = new RegExp(
  '^(\\d{4}-\\d\\d)(-\\d\\d)?' +
    '(?:[T ]([01]\\d|2[0-3]):([0-5]\\d)(?::([0-5]\\d(?:[.,]\\d{1,9})?))?' +
    '(?:Z|([+-])([01]\\d|2[0-3]):?([0-5]\\d))?)?$',
);

const [MINUTE, HOUR] = [60_000, 3_600_000];

/**
 * An ISO date, `2024-02`, `2024-02-29` or `2024-02-29T12:30:00.5+01:00`, in milliseconds since
 * 1970; NaN if it is none. Without a zone it is UTC, so that it is the same everywhere.
 */
export function parseDate(text: string): number {
  const found = isoDate.exec(text);
  if (found === null) return NaN;
  const [, month, ofMonth, hours = 0, minutes = 0, seconds = '0', sign, zoneHours, zoneMinutes] =
    found;
  if (ofMonth === undefined && text.length > month.length) return NaN;
  const day = `${month}${ofMonth ?? '-01'}`;
  const midnight = Date.parse(`${day}T00:00:00Z`);
  // The 30th of February is the 1st of March to some engines.
  if (Number.isNaN(midnight) || !new Date(midnight).toISOString().startsWith(day)) return NaN;
  const zone = Number(zoneHours ?? 0) * HOUR + Number(zoneMinutes ?? 0) * MINUTE;
  const time =
    Number(hours) * HOUR + Number(minutes) * MINUTE +
    Math.round(Number(seconds.replace(',', '.')) * 1000);
  return midnight + time + (sign === '-' ? zone : -zone);
}
