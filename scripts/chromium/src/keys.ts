/** Keys: the events of the keyboard that DevTools sends for `Shift+Tab`, `Control+Enter`, `a`. */

/** The parameters of Input.dispatchKeyEvent. */
export interface KeyEvent {
  readonly type: 'keyDown' | 'rawKeyDown' | 'keyUp';
  readonly key: string;
  readonly code: string;
  readonly windowsVirtualKeyCode: number;
  readonly modifiers: number;
  readonly text?: string;
  readonly [name: string]: unknown;
}

interface Key {
  readonly code: number;
  /** What the key types, if it types something. */
  readonly text?: string;
}

/** Keys by name, with the codes that Windows gave them. */
const named: Readonly<Record<string, Key>> = {
  Backspace: { code: 8 }, Tab: { code: 9 }, Enter: { code: 13, text: '\r' }, Escape: { code: 27 },
  Space: { code: 32, text: ' ' }, PageUp: { code: 33 }, PageDown: { code: 34 }, End: { code: 35 },
  Home: { code: 36 }, ArrowLeft: { code: 37 }, ArrowUp: { code: 38 }, ArrowRight: { code: 39 },
  ArrowDown: { code: 40 }, Delete: { code: 46 },
};

const modifierBits: Readonly<Record<string, number>> = { Alt: 1, Control: 2, Meta: 4, Shift: 8 };

/** A letter's or a digit's key has the code of its capital; other signs are known by their text. */
function keyOf(name: string): Key & { readonly key: string; readonly place: string } {
  const known = named[name];
  if (known !== undefined) return { ...known, key: name === 'Space' ? ' ' : name, place: name };
  if ([...name].length !== 1) {
    const keys = [...Object.keys(named), 'one character'].join(', ');
    throw new Error(`press: '${name}' is no key; expected one of ${keys}`);
  }
  const isLetter = /[a-z]/i.test(name);
  const isDigit = /\d/.test(name);
  const code = isLetter || isDigit ? name.toUpperCase().charCodeAt(0) : 0;
  const place = isLetter ? `Key${name.toUpperCase()}` : isDigit ? `Digit${name}` : '';
  return { code, text: name, key: name, place };
}

/** The events of pressing a key and letting it go, while others are held down. */
export function keyEvents(keys: string): KeyEvent[] {
  // The plus sign is a key, too: `+`, `Control++`.
  const parts = keys.split(/\+(?!$)/);
  const name = parts.pop() ?? '';
  const modifiers = parts.reduce((bits, part) => {
    const bit = modifierBits[part];
    if (bit !== undefined) return bits | bit;
    throw new Error(`press: '${part}' in '${keys}' is none of Alt, Control, Meta, Shift`);
  }, 0);
  const { code, text, key, place } = keyOf(name);
  const event = { key, code: place, windowsVirtualKeyCode: code, modifiers };
  // With Control, Alt or Meta a key is a command and types nothing.
  const types = text !== undefined && (modifiers & ~8) === 0;
  const down = types ? { type: 'keyDown', text, ...event } : { type: 'rawKeyDown', ...event };
  return [down as KeyEvent, { type: 'keyUp', ...event }];
}
