/**
 * Numbers as people read them: with four digits, commas between thousands, and powers of ten where
 * there would be many zeros.
 */

/** The digits of a number that are shown. */
const DIGITS = 4;

/**
 * A number with four significant digits, or all digits of a whole number: `0.03125`, `12,345`,
 * `2.5e-7`; `–` for NaN, `∞` for infinities.
 */
export function formatNumber(value: number): string {
  if (Number.isNaN(value)) return '–';
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞';
  const size = Math.abs(value);
  if (size >= 1e12 || (size > 0 && size < 1e-4)) return withMinus(shortPower(value, DIGITS));
  if (size >= 10 ** DIGITS || Number.isInteger(value)) return withMinus(inThousands(value));
  return withMinus(String(Number(value.toPrecision(DIGITS))));
}

/** The sign of a negative number is as wide as a plus. */
function withMinus(text: string): string {
  return text.replace('-', '−').replace('e-', 'e−');
}

function inThousands(value: number): string {
  return Math.round(value).toLocaleString('en');
}

/** A number as a power of ten, such as `2.5e-7`, without zeros at its end. */
export function shortPower(value: number, digits: number): string {
  const [mantissa, exponent] = value.toExponential(digits - 1).split('e');
  return `${Number(mantissa)}e${Number(exponent)}`;
}

/** A number of things: `1 step`, `2,000 steps`. */
export function count(number: number, thing: string): string {
  return `${inThousands(number)} ${thing}${number === 1 ? '' : 's'}`;
}

/** Seconds as people say them: `0.52 s`, `1:05 min`, `2:03 h`, `3.2 days`. */
export function formatSeconds(seconds: number): string {
  if (!Number.isFinite(seconds)) return '–';
  if (seconds < 59.5) return `${Number(seconds.toPrecision(2))} s`;
  const minutes = Math.round(seconds / 60);
  if (seconds < 3599.5) return `${clock(Math.round(seconds))} min`;
  if (minutes < 24 * 60) return `${clock(minutes)} h`;
  return `${(seconds / 86_400).toFixed(1)} days`;
}

/** A number of sixtieths as `1:05`. */
function clock(sixtieths: number): string {
  return `${Math.floor(sixtieths / 60)}:${String(sixtieths % 60).padStart(2, '0')}`;
}
