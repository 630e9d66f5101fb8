/** The site as a whole: every link leads somewhere, and every page is well made, small and safe. */
import { dirname, join } from 'node:path/posix';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';

import { exercises } from '../../exercises/checks/exercises.ts';
import type { ExerciseData } from '../../scripts/book/src/exercises.ts';
import { readFiles, readText } from '../../scripts/book/src/files.ts';
import { readOutline } from '../../scripts/book/src/outline.ts';
import { type Colour, pairs, palette } from '../../scripts/book/src/palette.ts';
import { type Tag, tagsOf } from '../support/htmlPage.ts';
import { builtSite } from '../support/site.ts';

const output = builtSite();
const outline = readOutline();
const pages = new Map<string, readonly Tag[]>();
for (const [address, content] of output) {
  if (address.endsWith('.html')) pages.set(address, tagsOf(String(content)));
}

const attribute = (tags: readonly Tag[], name: string): string[] =>
  tags.flatMap(({ attributes }) => attributes.get(name) ?? []);

/** What is wrong with any page, as `page: what`. */
function wrong(find: (tags: readonly Tag[], address: string) => readonly string[]): string[] {
  return [...pages].flatMap(([address, tags]) =>
    find(tags, address).map((what) => `${address}: ${what}`),
  );
}

describe('links', () => {
  const ids =
    new Map([...pages].map(([address, tags]) => [address, new Set(attribute(tags, 'id'))]));

  test('lead to pages and anchors that are there', () => {
    let count = 0;
    const found = wrong((tags, address) => attribute(tags, 'href').filter((href) => {
      count++;
      if (/^https?:/.test(href)) return false;
      const [path, anchor] = href.split('#');
      const target = path === '' ? address : join(dirname(address), path);
      if (!output.has(target)) return true;
      return anchor !== undefined && ids.get(target)?.has(decodeURIComponent(anchor)) !== true;
    }));
    expect(found).toEqual([]);
    expect(count).toBeGreaterThan(20_000);
  });

  test('of scripts and images, too', () => {
    expect(wrong((tags, address) =>
      attribute(tags, 'src').filter((src) => !output.has(join(dirname(address), src))),
    ))
      .toEqual([]);
  });

  test('lead from every page to its neighbours', () => {
    const order = outline.flatMap((part) => part.pages.map(({ address }) => address));
    order.forEach((address, i) => {
      const turn = (rel: string) =>
        pages.get(address)?.find(({ attributes }) => attributes.get('rel') === rel);
      const target = (rel: string) => {
        const href = turn(rel)?.attributes.get('href');
        return href && join(dirname(address), href);
      };
      expect([target('prev'), target('next')]).toEqual([order[i - 1], order[i + 1]]);
    });
  });
});

describe('sources', () => {
  const files = readFiles();
  const texts = outline.flatMap((part) => part.pages);

  /** Names of files in the code of a page, but for those that it tells readers to make. */
  const mentions = texts.flatMap(({ source, text }) => {
    const prose = text.replaceAll(/^ *(`{3,})[^]*?^ *\1$/gm, '');
    const made = new Set(Array.from(prose.matchAll(/New file `([^`]+)`/g), ([, name]) => name));
    return Array.from(prose.matchAll(/`((?:[\w.-]+\/)*\w[\w.-]*\.(?:ts|mjs))`/g), ([, name]) =>
      ({ source, name }),
    )
      .filter(({ name }) => ![...made].some((file) => file.endsWith(name)));
  });

  test('that pages name are there, and the names lead to them', () => {
    expect(mentions.length).toBeGreaterThan(150);
    expect(mentions.filter(({ name }) => files.named(name).length === 0)).toEqual([]);
    const dead = mentions.filter(({ source, name }) => {
      const page = texts.find((each) => each.source === source)?.address ?? '';
      const links = pages.get(page)?.filter((tag) => tag.name === 'a' && tag.text === name) ?? [];
      return links.length === 0;
    });
    expect(dead).toEqual([]);
  });

  test('are those that the chapter is about, where several have the name', () => {
    const target = (page: string, name: string) => pages.get(page)
      ?.find((tag) => tag.name === 'a' && tag.text === name)?.attributes.get('href');
    expect(target('23-threads.html', 'threads.ts')).toBe(
      'source/packages/wasm/src/threads/threads.ts.html',
    );
    expect(target('16-loop-language.html', 'rounding.ts')).toBe(
      'source/packages/kernel/src/math/rounding.ts.html',
    );
  });

  test('are shown line by line', () => {
    const path = 'packages/wasm/src/threads/threads.ts';
    const lines = pages.get(`source/${path}.html`)?.filter(({ attributes }) =>
      /^L\d+$/.test(attributes.get('id') ?? ''),
    );
    const text = lines?.map(
      ({ text: line, attributes }) => line.slice((attributes.get('id') ?? '').length - 1),
    ).join('');
    expect(text).toBe(readText(path));
    const imports = pages.get(`source/${path}.html`)?.filter(({ name, text: link }) =>
      name === 'a' && link.startsWith("'"),
    );
    expect(imports?.length).toBeGreaterThan(2);
  });
});

describe('every page', () => {
  test('has one title and one heading of the first level; no level is left out', () => {
    expect(wrong((tags) => {
      const levels =
        tags.filter(({ name }) => /^h\d$/.test(name)).map(({ name }) => Number(name[1]));
      const isInOrder = levels[0] === 1 &&
        levels.every((level, i) => i === 0 || (level > 1 && level <= levels[i - 1] + 1));
      return [
        ...(isInOrder ? [] : [`levels ${levels.join(' ')}`]),
        ...(tags.filter(({ name }) => name === 'title').length === 1 ? [] : ['title']),
      ];
    })).toEqual([]);
    const titles =
      [...pages.values()].map((tags) => tags.find(({ name }) => name === 'title')?.text);
    expect(new Set(titles).size).toBe(titles.length);
  });

  test('gives each id once, and a name to all that can be used', () => {
    expect(wrong((tags) => {
      const ids = attribute(tags, 'id');
      const twice = ids.filter((id, i) => ids.indexOf(id) !== i);
      const named = tags.filter(({ name }) => ['a', 'button', 'input'].includes(name));
      const nameless = named.filter(({ text, attributes }) =>
        text.trim() === '' && (attributes.get('aria-label') ?? '') === '');
      const images = tags.filter(({ name, attributes }) =>
        name === 'img' && (attributes.get('alt') ?? '') === '',
      );
      return [...twice, ...nameless.map(({ name }) => `<${name}>`), ...images.map(() => '<img>')];
    })).toEqual([]);
  });

  test('has landmarks: one main part, named navigation, a way past it', () => {
    expect(wrong((tags) => {
      const count = (name: string) => tags.filter((tag) => tag.name === name).length;
      const labels = tags.filter(({ name }) => name === 'nav')
        .map(({ attributes }) =>
          attributes.get('aria-label') ?? attributes.get('aria-labelledby') ?? '',
        );
      const skip = tags.find(({ name }) => name === 'a');
      return [
        ...(count('main') === 1 && count('header') === 1 ? [] : ['landmarks']),
        ...(new Set(labels).size === labels.length && !labels.includes('') ? [] : ['names of nav']),
        ...(skip?.attributes.get('href') === '#content' ? [] : ['the first link skips']),
      ];
    })).toEqual([]);
  });

  test('asks no other host for anything, and forbids all scripts to', () => {
    expect(wrong((tags) => {
      const policy =
        tags.find(({ attributes }) => attributes.get('http-equiv') === 'Content-Security-Policy');
      const inline = tags.filter(({ name, attributes, text }) =>
        name === 'script' && attributes.get('type') !== 'application/json' && text !== '');
      const loaded = [...attribute(tags, 'src'),
        ...attribute(tags.filter(({ name }) => name === 'link'), 'href')].filter((address) =>
          /^\w+:|^\//.test(address),
        );
      const rules = policy?.attributes.get('content') ?? '';
      const isStrict = rules.startsWith("default-src 'none'; ") &&
      rules.includes("connect-src 'none'") &&
        !/https?:|\*|'unsafe-inline'/.test(rules);
      return [...loaded, ...inline.map(() => 'script'), ...(isStrict ? [] : ['policy'])];
    })).toEqual([]);
  });
});

test('the first chapter is painted after less than 100 kB, all after less than 40 kB compressed', () => {
  const sizes = outline.flatMap((part) => part.pages)
    .filter(({ source }) => /^docs\/\d\d-/.test(source)).map(({ address }) => {
    // Other scripts run when the page has been painted.
    const needed =
      [address, 'assets/style.css', 'assets/paint.js'].map((file) => String(output.get(file)));
    const sum = (sizeOf: (text: string) => number) => needed.map(sizeOf).reduce((a, b) => a + b);
    return { plain: sum(Buffer.byteLength), gzip: sum((text) => gzipSync(text).length) };
  });
  expect(sizes.length).toBeGreaterThan(15);
  expect(sizes[0].plain).toBeLessThan(100_000);
  expect(Math.max(...sizes.map(({ gzip }) => gzip))).toBeLessThan(40_000);
});

test('a chapter that runs code on all packages loads less than 250 kB, compressed', () => {
  const shared = ['style.css', 'paint.js', 'site.js', 'packages.js'];
  const programOf = (address: string): string | undefined => pages.get(address)
    ?.find(({ attributes }) => attributes.get('id') === 'program')?.text;
  const gzip = (file: string): number => gzipSync(String(output.get(file))).length;
  const large: string[] = [];
  const extended: string[] = [];
  const chapters = outline.flatMap((part) => part.pages.map(({ address }) => address))
    .filter((address) => /^\d\d-/.test(address) && programOf(address) !== undefined);
  for (const address of chapters) {
    const program = programOf(address) ?? '';
    // A page loads what its code imports; of pages without ops of their own, models are assumed.
    const isExtended = /['"][@\w/-]*\/extend['"]/.test(program);
    const hasModels = !isExtended || /['"](@mambagrad\/(nn|mamba)|mambagrad)/.test(program);
    if (isExtended) extended.push(address);
    const scripts =
      [...shared, ...(hasModels ? ['models.js'] : []), ...(isExtended ? ['extend.js'] : [])];
    const files = [address, ...scripts.map((file) => `assets/${file}`)];
    const bytes = files.map(gzip).reduce((sum, size) => sum + size);
    if (bytes >= 250_000) large.push(`${address}: ${bytes}`);
  }
  expect(chapters.length).toBeGreaterThan(20);
  expect(extended.length).toBeGreaterThan(2);
  expect(large).toEqual([]);
});

test('what makes pictures change is small, and loaded by no page before it is wanted', () => {
  const sizeOf = (name: string) => gzipSync(String(output.get(`assets/${name}.js`))).length;
  expect(sizeOf('site')).toBeLessThan(12_000);
  expect(sizeOf('pieces')).toBeLessThan(8_000);
  expect(sizeOf('drawing')).toBeLessThan(40_000);
  expect(wrong((tags) =>
    attribute(tags, 'src').filter((src) => /\/(?:pieces|drawing|packages)\.js$/.test(`/${src}`)),
  )).toEqual([]);
});

describe('exercises', () => {
  const addresses = [...pages.keys()].filter((address) => /^exercises\/\w+\.html$/.test(address));

  test('have a page each, with what is asked, the types, an answer to begin with and hints', () => {
    expect(
      addresses.map((address) => address.slice('exercises/'.length, -'.html'.length)).toSorted(),
    )
      .toEqual(exercises.map(({ name }) => name).toSorted());
    for (const { name, title, exports, hints } of exercises) {
      const text = String(output.get(`exercises/${name}.html`));
      const [, json = ''] =
        /<script type="application\/json" id="answer">(.*?)<\/script>/.exec(text) ?? [];
      const data = JSON.parse(json) as ExerciseData;
      expect(text).toContain(`>${title}</h1>`);
      expect(text).not.toContain('--hint');
      expect({ name: data.name, hints: data.hints }).toEqual({ name, hints });
      for (const each of exports) {
        expect(data.code).toContain(`export function ${each}(`);
        expect(data.code).toContain(`${each} is not written yet`);
        expect(data.solution).toContain(`export function ${each}(`);
      }
      expect(data.solution).not.toContain('not written yet');
    }
  });

  test('are found from the list, from the menu, and from the chapters that name their command', () => {
    for (const address of addresses) {
      expect(attribute(pages.get('exercises.html') ?? [], 'href')).toContain(address);
      expect(attribute(pages.get('index.html') ?? [], 'href')).toContain(address);
    }
    const command = pages.get('exercises/scan.html')
      ?.filter(({ text }) => text === 'npm run exercise scan') ?? [];
    expect(command.filter(({ name }) => name === 'a')).toEqual([]);
    expect(attribute(pages.get('exercises/scan.html') ?? [], 'href')).toContain(
      '../source/exercises/scan.ts.html',
    );
  });

  test('are small until the check is loaded, and it is what an answer needs alone', () => {
    const gzip = (file: string): number => gzipSync(String(output.get(file))).length;
    for (const address of addresses) expect(gzip(address)).toBeLessThan(10_000);
    expect(gzip('assets/exercise.js')).toBeLessThan(10_000);
    const check = ['site', 'exercise', 'packages', 'fast-check', 'exercises'].map((name) =>
      `assets/${name}.js`,
    );
    const loaded = [...check, 'assets/style.css', addresses[0]].map(gzip);
    expect(loaded.reduce((a, b) => a + b)).toBeLessThan(250_000);
  });
});

describe('colours', () => {
  /** The relative luminance of a colour, as WCAG 2 defines it. */
  function luminance(hex: string): number {
    const [r, g, b] = [1, 3, 5].map((i) => Number.parseInt(hex.slice(i, i + 2), 16) / 255)
      .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  }

  function contrast(a: string, b: string): number {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  }

  test('contrast is computed as WCAG says', () => {
    expect(contrast('#000000', '#ffffff')).toBeCloseTo(21);
    expect(contrast('#777777', '#ffffff')).toBeCloseTo(4.48, 2);
  });

  test.each(Object.entries(palette))('of text and ground differ enough: %s', (_, colours) => {
    const low = pairs.map(([text, ground]) =>
      ({ text, ground, ratio: contrast(colours[text], colours[ground]) }),
    )
      .filter(({ ratio }) => ratio < 4.5);
    expect(low).toEqual([]);
  });

  test('of the style sheet are all in the palette', () => {
    const css = readText('scripts/book/site/style.css');
    const used = new Set(Array.from(css.matchAll(/var\(--([\w-]+)\)/g), ([, name]) => name));
    const own = new Set(Array.from(css.matchAll(/--([\w-]+):/g), ([, name]) => name));
    expect([...used].filter((name) => !own.has(name) && !Object.hasOwn(palette.light, name)))
      .toEqual([]);
    const text =
      Array.from(css.matchAll(/(?<![\w-])color: var\(--(\w+)\)/g), ([, name]) => name as Colour);
    expect(text.filter((name) => !pairs.some(([each]) => each === name))).toEqual([]);
    expect(css.match(/#[\da-f]{3,8}\b/g)).toBeNull();
  });
});
