/** Elements of the page, made in one call, and two buttons that take turns. */

type Attributes = Readonly<Record<string, string | boolean>>;

/** An element with attributes and content; text is shown as text, whatever it is. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name, attributes: Attributes = {}, ...content: readonly (Node | string)[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== false) made.setAttribute(key, value === true ? '' : value);
  }
  made.append(...content);
  return made;
}

/** A button that does something. */
export function button(text: string, label: string, run: () => void): HTMLButtonElement {
  const made = element('button', { type: 'button', class: 'action', 'aria-label': label }, text);
  made.addEventListener('click', run);
  return made;
}

/** Shows one of the buttons that start and stop code. The focus moves to it from the other. */
export function showRunning(
  figure: Element, run: HTMLElement, stop: HTMLElement, isRunning: boolean,
): void {
  const [hidden, shown] = isRunning ? [run, stop] : [stop, run];
  const hadFocus = document.activeElement === hidden;
  [hidden.hidden, shown.hidden] = [true, false];
  if (hadFocus) shown.focus();
  figure.classList.toggle('running', isRunning);
}
