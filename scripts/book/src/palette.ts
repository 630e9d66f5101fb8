/**
 * The colours of the site, by day and by night, and which of them meet. The style sheet names
 * colours as `var(--text)`; a test computes the contrast of each pair, which has to be at least
 * 4.5 : 1 for text (WCAG 2, level AA).
 */

const light = {
  page: '#ffffff', raised: '#f5f6f8', text: '#1d2229', quiet: '#57606b', line: '#d9dde3',
  link: '#0b5bb5', accent: '#0b5bb5', marked: '#fff1b8', selected: '#e4edf8',
  comment: '#5c6570', keyword: '#9a1f6e', string: '#1a6634', number: '#0a55a5',
  good: '#1a6634', bad: '#b3261e', added: '#e2f3e6', removed: '#fbe6e4',
};

const dark: Readonly<Record<keyof typeof light, string>> = {
  page: '#15181d', raised: '#1d2127', text: '#dce1e7', quiet: '#9aa4b0', line: '#323841',
  link: '#7db4f2', accent: '#7db4f2', marked: '#3d340f', selected: '#233347',
  comment: '#98a2ae', keyword: '#e58cc4', string: '#8ccf9c', number: '#86b8f5',
  good: '#8ccf9c', bad: '#ff9d94', added: '#1d3a27', removed: '#47241f',
};

/** The two sets of colours. */
export const palette = { light, dark };

export type Colour = keyof typeof light;

const texts: readonly Colour[] = ['text', 'quiet', 'link', 'good', 'bad'];
const code: readonly Colour[] = ['text', 'comment', 'keyword', 'string', 'number'];

/** Text and what it stands on. */
export const pairs: readonly (readonly [text: Colour, ground: Colour])[] = [
  ...texts.flatMap((text) => [[text, 'page'], [text, 'raised']] as const),
  ...code.flatMap((text) => [[text, 'page'], [text, 'raised'], [text, 'marked']] as const),
  ['text', 'selected'], ['link', 'selected'], ['quiet', 'selected'], ['page', 'accent'],
  ['text', 'added'], ['text', 'removed'],
];

/** The colours as the start of a style sheet: as the system has it, unless the reader chose. */
export function paletteCss(): string {
  const set = (colours: Readonly<Record<Colour, string>>): string =>
    Object.entries(colours).map(([name, value]) => `--${name}: ${value};`).join(' ');
  return `:root { color-scheme: light; ${set(light)} }
@media screen and (prefers-color-scheme: dark) {
  :root:not([data-theme='light']) { color-scheme: dark; ${set(dark)} }
}
@media screen { :root[data-theme='dark'] { color-scheme: dark; ${set(dark)} } }
`;
}
