/** Charts made of characters. */

const SHADES = [' ', '░', '▒', '▓', '█'];
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/** A value from 0 to 1 as a character, the darker the larger. */
export function shade(value: number): string {
  const level = Math.round(value * (SHADES.length - 1));
  return SHADES[Math.min(Math.max(level, 0), SHADES.length - 1)];
}

/** A bar of `width` characters at most, for a value from 0 to 1. */
export function bar(value: number, width: number): string {
  const eighths = Math.round(Math.min(Math.max(value, 0), 1) * width * 8);
  return '█'.repeat(Math.floor(eighths / 8)) + EIGHTHS[eighths % 8];
}
