/** node:path, as on Linux. */

export const sep = '/';
export const delimiter = ':';

/** A path without `.`, `..` and doubled slashes. */
export function normalize(path: string): string {
  const isAbsolute = path.startsWith('/');
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    const goesUp = part === '..' && parts.length > 0 && parts.at(-1) !== '..';
    if (goesUp) parts.pop();
    else if (part !== '..' || !isAbsolute) parts.push(part);
  }
  const text = parts.join('/');
  const end = path.endsWith('/') ? '/' : '';
  if (text === '') return isAbsolute ? '/' : `.${end}`;
  return `${isAbsolute ? '/' : ''}${text}${end}`;
}

export const isAbsolute = (path: string): boolean => path.startsWith('/');

export function join(...paths: string[]): string {
  const joined = paths.filter((path) => path !== '').join('/');
  return joined === '' ? '.' : normalize(joined);
}

export function resolve(...paths: string[]): string {
  let found = '';
  for (const path of [...paths].reverse()) {
    if (found.startsWith('/')) break;
    if (path !== '') found = found === '' ? path : `${path}/${found}`;
  }
  const whole = normalize(found.startsWith('/') ? found : `/${found}`);
  return whole.length > 1 ? whole.replace(/\/$/, '') : whole;
}

export function dirname(path: string): string {
  const found = /^(.*[^/])?\/+[^/]+\/*$/.exec(path);
  return found?.[1] ?? (path.startsWith('/') ? '/' : '.');
}

export function basename(path: string, ending = ''): string {
  const name = /([^/]*)\/*$/.exec(path)?.[1] ?? '';
  const isEnding = ending !== '' && name !== ending && name.endsWith(ending);
  return isEnding ? name.slice(0, -ending.length) : name;
}

export function extname(path: string): string {
  const name = basename(path);
  const dot = name.lastIndexOf('.');
  return dot <= 0 || name === '..' ? '' : name.slice(dot);
}

export function relative(from: string, to: string): string {
  const [a, b] = [from, to].map((path) => resolve(path).split('/').filter((part) => part !== ''));
  let same = 0;
  while (same < a.length && same < b.length && a[same] === b[same]) same += 1;
  return [...a.slice(same).map(() => '..'), ...b.slice(same)].join('/');
}
