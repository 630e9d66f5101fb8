/** Markdown: what the pages use becomes what GitHub makes of it; all else is text, or an error. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { renderMarkdown, type Rendered } from '../../scripts/book/src/markdown.ts';
import { tagsOf } from '../support/htmlPage.ts';

const links = { to: (target: string) => target, ofCode: () => undefined };

function render(text: string): Rendered {
  return renderMarkdown('page.md', text, { links, isRunnable: true });
}

/** The HTML of a text below a title. */
function htmlOf(text: string): string {
  return render(`# T\n\n${text}`).body.text.split('\n').slice(1).join('\n');
}

describe('blocks', () => {
  test.each([
    ['a paragraph\nof two lines', '<p>a paragraph\nof two lines</p>'],
    ['a\n\nb', '<p>a</p>\n<p>b</p>'],
    ['- a\n- b', '<ul>\n<li>a</li>\n<li>b</li>\n</ul>'],
    ['- a\n\n- b', '<ul>\n<li><p>a</p></li>\n<li><p>b</p></li>\n</ul>'],
    ['- a\n  goes on\n  - b', '<ul>\n<li>a\ngoes on\n<ul>\n<li>b</li>\n</ul></li>\n</ul>'],
    ['- a\n\n  b', '<ul>\n<li><p>a</p>\n<p>b</p></li>\n</ul>'],
    ['1. a\n2. b', '<ol>\n<li>a</li>\n<li>b</li>\n</ol>'],
    ['3. a\n4. b', '<ol start="3">\n<li>a</li>\n<li>b</li>\n</ol>'],
    ['- a\n1. b', '<ul>\n<li>a</li>\n</ul>\n<ol>\n<li>b</li>\n</ol>'],
    ['- a\n\nb', '<ul>\n<li>a</li>\n</ul>\n<p>b</p>'],
    ['the year\n1958. It', '<p>the year\n1958. It</p>'],
    ['text\n- a', '<p>text</p>\n<ul>\n<li>a</li>\n</ul>'],
    ['- a\n\n  ```\n  b\n\n    c\n  ```\n- ' +
    'd', '<ul>\n<li><p>a</p>\n<figure class="code"><pre><code>b\n\n  c\n' +
      '</code></pre></figure></li>\n<li><p>d</p></li>\n</ul>'],
    ['```sh\na < b\n```', '<figure class="code"><pre><code>a &lt; b\n</code></pre></figure>'],
    [
      '````md\n```ts\n```\n````',
      '<figure class="code"><pre><code>```ts\n```\n</code></pre></figure>',
    ],
    ['    a\n\n      b', '<figure class="code"><pre><code>a\n\n  b\n</code></pre></figure>'],
    ['a\n    b', '<p>a\nb</p>'],
    ['```diff\n+a\n-b\n c\n```', '<figure class="code"><pre><code><b class="ins">+a</b>\n<b ' +
    'class="del">-b</b>\n c\n' +
      '</code></pre></figure>'],
    ['| a | b |\n|---|--:|\n| 1 | `x \\| y` ' +
    '|', '<div class="table"><table>\n<thead><tr><th>a</th><th class="right">b</th></tr>' +
      '</thead>\n<tbody>\n<tr><td>1</td><td class="right"><code>x | ' +
      'y</code></td></tr>\n</tbody></table></div>'],
    ['| | |\n|---|:-:|\n| a | |', '<div class="table"><table>\n<tbody>\n<tr><td>a</td><td ' +
    'class="center"></td></tr>\n' +
      '</tbody></table></div>'],
    ['<!-- a note -->\n\na', '<p>a</p>'],
    ['<details>\n<summary>A</summary>\n\nb\n\n- c\n\n</details>\n\nd',
      '<details>\n<summary>A</summary>\n<p>b</p>\n<ul>\n<li>c</li>\n</ul>\n</details>\n<p>d</p>'],
    ['- a\n\n  <details>\n  <summary>A</summary>\n\n  b\n\n  </details>\n',
      '<ul>\n<li><p>a</p>\n<details>\n<summary>A</summary>\n<p>b</p>\n</details></li>\n</ul>'],
    ['<details>\n<summary>A</summary>\n\n' +
      '<details>\n<summary>B</summary>\n\nb\n\n</details>\n\n</details>',
      '<details>\n<summary>A</summary>\n' +
      '<details>\n<summary>B</summary>\n<p>b</p>\n</details>\n</details>'],
    ['<details>\n<summary>A</summary>\n\n```md\n</details>\n```\n\n</details>',
      '<details>\n<summary>A</summary>\n' +
      '<figure class="code"><pre><code>&lt;/details&gt;\n</code></pre></figure>\n</details>'],
  ])('%j', (text, html) => expect(htmlOf(text)).toBe(html));

  test('of ts are numbered where they can be run', () => {
    const text = '# T\n\n```ts\na\n```\n\n```ts sketch\nb\n```\n\n- c\n\n  ```ts\n  d\n  ```\n';
    const numbers = (html: string) => Array.from(html.matchAll(/data-block="(\d)"/g), ([, i]) => i);
    expect(numbers(render(text).body.text)).toEqual(['0', '1']);
    const still = renderMarkdown('page.md', text, { links, isRunnable: false });
    expect(numbers(still.body.text)).toEqual([]);
    const folded = '# T\n\n```ts\na\n```\n\n<details>\n<summary>Answer</summary>\n\n' +
      '```ts\nb\n```\n\n</details>\n\n```ts\nc\n```\n';
    expect(numbers(render(folded).body.text)).toEqual(['0', '1', '2']);
  });
});

describe('text', () => {
  test.each([
    ['`a` ``b`c`` `` ` ``', '<code>a</code> <code>b`c</code> <code>`</code>'],
    ['`a\nb`', '<code>a b</code>'],
    ['`a/b.ts` `a/ b`', '<code>a/<wbr>b.ts</code> <code>a/ b</code>'],
    ['A-2, k-by-1 a-bc', '<span class="whole">A-2</span>, k-<span class="whole">by-1</span> a-bc'],
    ['*a* **b *c* d**', '<em>a</em> <strong>b <em>c</em> d</strong>'],
    ['**a `**` b**', '<strong>a <code>**</code> b</strong>'],
    ['a * b, 2 ** 3', 'a * b, 2 ** 3'],
    ['\\*a\\* \\[b](c) \\d', '*a* [b](c) \\d'],
    ['[a](b.md)', '<a href="b.md">a</a>'],
    ['[`a[0]` *b*](b.md#c)', '<a href="b.md#c"><code>a[0]</code> <em>b</em></a>'],
    ['[[1, 2], 3](#d)', '<a href="#d">[1, 2], 3</a>'],
    ['[1, 2] and [x] [0]', '[1, 2] and [x] [0]'],
    ['![a *b*](c.svg)', '<img src="c.svg" alt="a b">'],
    ['see https://a.b/c_d(e), and', 'see <a href="https://a.b/c_d">https://a.b/c_d</a>(e), and'],
    [
      '<code>a&lt;<a href="b.md#c">b</a>></code><br>',
      '<code>a&lt;<a href="b.md#c">b</a>&gt;</code><br>',
    ],
    ['z_t and h_{t−1}', 'z_t and h_{t−1}'],
    ['a & b &amp; "c" < d', 'a &amp; b &amp; &quot;c&quot; &lt; d'],
    ['[a [b](c.md)](d.md)', '<a href="d.md">a b</a>'],
  ])('%j', (text, html) =>
    expect(htmlOf(text)).toBe(`<p>${html}</p>`));
});

describe('hostile text is shown as text', () => {
  test.each([
    '<script>alert(1)</script>', '<img src=x onerror=alert(1)>',
    '<a href="javascript:alert(1)">a</a>',
    '<a href="a.md" onclick="b()">a</a>', '<code onclick="a()">b</code>', '<svg/onload=alert(1)>',
    '[a](javascript:alert(1))', '[a](JaVaScRiPt:alert(1))', '[a](data:text/html,b)',
    '[a](//host/b)',
    '[a](/\\host)', '[a](vbscript:b)', '</p><script>', '<!-- a --><script>b</script>',
    '<style>p{}</style>',
  ])('%s', (text) => {
    const tags = tagsOf(htmlOf(`before ${text}`));
    expect(tags.map(({ name }) => name)).toEqual(['p']);
    expect(tags[0].text).toBe(`before ${text}`);
  });

  test('in headings, code and cells', () => {
    const evil = '</script><script>alert(1)</script>';
    const page =
      render(`# ${evil}\n\n\`\`\`ts\n// ${evil}\n\`\`\`\n\n| ${evil} |\n|-|\n| \`${evil}\` |\n`);
    expect(page.body.text).not.toMatch(/<\/?script/);
    expect(tagsOf(page.body.text).find(({ name }) => name === 'h1')?.text).toBe(evil);
  });

  /** Pieces of Markdown and of HTML, good and bad, in any order. */
  const piece = fc.oneof(
    fc.constantFrom(
      ...'*`[]()<>|\\!#&;:"\'\n -=_~1.+'.split(''), '**', '```\n', '\n\n', '# ', '- ', '    ', '](',
      '![',
      '<a href="', '">', '<code>', '</code>', '</a>', '<br>', '<script>', '</script>',
      'javascript:',
      'https://a.b/', 'on=', '|-|-|\n', '<details>\n<summary>a</summary>\n\n', '\n\n</details>\n\n',
      '&lt;', '&#60;', '<!--', '-->', '\u0000', '\u2028', '\u202e',
    ),
    fc.string({ maxLength: 4 }),
  );

  test('whatever a page says, only allowed tags, attributes and addresses come of it', () => {
    let rendered = 0;
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), (pieces) => {
        let body: string;
        try {
          body = render(`# T\n\n${pieces.join('')}`).body.text;
        } catch (error) {
          // An error is one of the converter, which names the place.
          expect(String(error)).toMatch(/^Error: page\.md:\d+: /);
          return;
        }
        rendered++;
        tagsOf(body);
      }),
      { numRuns: 3000 },
    );
    expect(rendered).toBeGreaterThan(300);
  });
});

describe('headings', () => {
  test('have the anchors that they have on GitHub', () => {
    const { sections, body } =
      render('# A `b`, *c*\n\none\n\n## D [e](f.md)\n\ntwo `x`\n\n### D e\n\n- three\n');
    expect(sections).toEqual([
      { level: 1, heading: 'A b, c', anchor: 'a-b-c', text: 'one' },
      { level: 2, heading: 'D e', anchor: 'd-e', text: 'two x' },
      { level: 3, heading: 'D e', anchor: 'd-e-1', text: 'three' },
    ]);
    const ids = tagsOf(body.text).flatMap(({ attributes }) => attributes.get('id') ?? []);
    expect(ids).toEqual(['a-b-c', 'd-e', 'd-e-1']);
  });
});

describe('an error names the page and the line', () => {
  test.each([
    ['a\n\n> b', 5, 'quotations are not known'],
    ['a\n\n---', 5, 'lines across the page are not known'],
    ['a\n===', 4, 'headings by a line below are not known: write #'],
    ['* a', 3, 'the items of a list begin with -'],
    ['1) a', 3, 'the numbers of a list are followed by a dot'],
    ['[a]: b.md', 3, 'write the target of a link behind it'],
    ['a\n[b][c]', 4, 'write the target of a link behind it'],
    ['a[^1]', 3, 'footnotes are not known'],
    ['a\n_b_', 4, 'emphasis by _ is not known: write *'],
    ['~~a~~', 3, 'text that is struck out is not known'],
    ['a  \nb', 3, 'a line break by two spaces is not known: write <br>'],
    ['a\n*b', 4, 'the emphasis after * has no end: write \\* for a star'],
    ['a `b', 3, 'the code after ` has no end'],
    ['![](b.svg)', 3, 'the image has no text: write ![what it shows](…)'],
    ['[a](b.md "c")', 3, 'the target of the link has no end: it may hold no space, and no title'],
    ['&copy;', 3, 'the entity &copy; is not known: write the character itself'],
    ['```\na', 3, 'the block has no end'],
    ['```ts skip\na\n```', 3, 'a block is ```ts skip, expected ```ts or ```ts sketch'],
    ['- a\nb', 4, 'move the text of the item by 2 spaces'],
    ['| a | b |\n|---|', 4, 'the table has 2 heads, and 1 lines below'],
    ['| a |\n|---|\n| b | c |', 5, 'the row has 2 cells, and the table 1 columns'],
    ['<details>\n<summary>A</summary>\n\nb', 3, '<details> has no line </details> at its end'],
    [
      '<details>\n<summary>A</summary>\n\nb\n</details>', 7,
      'an empty line stands before </details>',
    ],
    ['<details>\n<summary>A</summary>\nb\n\n</details>', 5, 'an empty line stands below <summary>'],
    ['<details>\n<summary>A</summary>\n\n</details>', 3, 'there is nothing in <details>'],
    [
      '<details>\n<summary>A</summary>\n\nb\n\n</details>\nc', 9,
      'an empty line follows </details>',
    ],
    ['<details>\n\nb\n\n</details>', 4, 'below <details> stands <summary>plain text</summary>'],
    [
      '<details>\n<summary>`A`</summary>\n\nb\n\n</details>', 4,
      'below <details> stands <summary>plain text</summary>',
    ],
    [
      '<details open>\n<summary>A</summary>\n\nb\n\n</details>', 3,
      'expected a line <details> or </details>, and nothing else in it: <details open>',
    ],
    [
      'a\n<summary>A</summary>', 4,
      'expected a line <details> or </details>, and nothing else in it: <summary>A</summary>',
    ],
    ['a\n\n</details>', 5, '</details> has no <details> before it'],
    ['- a\n\n  </details>', 5, '</details> has no <details> before it'],
    ['### a', 3, 'a heading of level 3 follows one of 1'],
    ['# a', 3, 'a page has one title'],
    ['##', 3, 'the heading is empty'],
  ])('%j', (text, line, message) => {
    expect(() => htmlOf(text)).toThrow(`page.md:${line}: ${message}`);
  });

  test('for a link that leads nowhere', () => {
    const to = (): never => {
      throw new Error('there is no such page');
    };
    const options = { links: { ...links, to }, isRunnable: false };
    expect(() => renderMarkdown('page.md', '# T\n\n[a](b.md)', options)).toThrow(
      'page.md:3: there is no such page',
    );
  });

  test('for a page without a title', () => {
    expect(() => render('a')).toThrow('page.md:1: a page begins with # Title');
  });
});
