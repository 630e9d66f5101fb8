/**
 * Light or dark: as the reader's system has it, or as the reader chose, which is kept. The choice
 * is an attribute of the document, `data-theme`, which the style sheet reads; without one, the
 * style sheet asks the system itself.
 */

type Theme = 'light' | 'dark';

const KEY = 'mambagrad-theme';

/** Applies the choice that was kept. To be called before anything is painted. */
export function applyTheme(): void {
  const kept = readKept();
  if (kept !== undefined) document.documentElement.dataset['theme'] = kept;
}

/** Makes a button of `button` that goes from one theme to the other. */
export function connectThemeSwitch(button: HTMLElement): void {
  const show = (): void => button.setAttribute('aria-pressed', String(currentTheme() === 'dark'));
  button.addEventListener('click', () => {
    const theme = currentTheme() === 'dark' ? 'light' : 'dark';
    document.documentElement.dataset['theme'] = theme;
    keep(theme);
    show();
  });
  prefersDark().addEventListener('change', show);
  show();
}

function currentTheme(): Theme {
  const { theme } = document.documentElement.dataset;
  if (theme === 'light' || theme === 'dark') return theme;
  return prefersDark().matches ? 'dark' : 'light';
}

function prefersDark(): MediaQueryList {
  return matchMedia('(prefers-color-scheme: dark)');
}

// A browser may forbid a page to keep anything; then a choice holds for this page alone.

function readKept(): Theme | undefined {
  try {
    const kept = localStorage.getItem(KEY);
    return kept === 'light' || kept === 'dark' ? kept : undefined;
  } catch {
    return undefined;
  }
}

function keep(theme: Theme): void {
  try {
    localStorage.setItem(KEY, theme);
  } catch {
    // Nothing is lost but the choice.
  }
}
