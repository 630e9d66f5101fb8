/** Coloured code is the code, line by line, and nothing else gets into the page. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { highlight } from '../../scripts/book/src/highlight.ts';
import { escapeHtml } from '../../scripts/book/src/html.ts';
import { unescapeHtml } from '../support/htmlPage.ts';

test('kinds of tokens have classes, plain text has none', () => {
  expect(highlight("const x = 'a'; // <b>\n").text).toBe(
    '<b class="k">const</b> x = <b class="s">&#39;a&#39;</b>; <b class="c">// &lt;b&gt;</b>\n',
  );
  expect(highlight('`a\n\nb`').text).toBe('<b class="s">`a</b>\n\n<b class="s">b`</b>');
});

test('each line is whole, and holds what the line of the code holds', () => {
  const code = fc.string({
    unit: fc.constantFrom(
      ...'<>&"\'`/\\$ {}();\n', '</script>', '<!--', '/*', '*/', '//', 'const ',
    ),
  });
  fc.assert(
    fc.property(code, (text) => {
      const lines = highlight(text).text.split('\n').map((line) => {
        const rest = line.replaceAll(/<b class="[cknst]">([^<>]+)<\/b>/g, '$1');
        expect(rest).not.toMatch(/[<>"']/);
        return unescapeHtml(rest);
      });
      expect(lines.join('\n')).toBe(text);
      expect(unescapeHtml(escapeHtml(text))).toBe(text);
    }),
  );
});
