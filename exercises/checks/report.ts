/** Reports as text, for a terminal or a page. */
import type { Exercise, Failure, Report } from './check.ts';

/** A report as text: the properties that hold, then the one that fails and how. */
export function textOf({ title, properties }: Exercise<never>, report: Report): string {
  const { passed } = report;
  const lines = [title, '', ...passed.map((says) => `  ✓ ${says}`)];
  if (report.status === 'failed') {
    lines.push(`  ✗ ${report.property}`, '', ...failureLines(report.failure));
  }
  if (report.status === 'open') {
    lines.push(...(passed.length > 0 ? [''] : []), `  ${report.problem}`);
  }
  lines.push('', report.status === 'done'
    ? `All ${properties.length} properties hold. Done.`
    : `${passed.length} of ${properties.length} properties hold.`);
  return lines.join('\n');
}

/** The columns of a line of prose. */
const WIDTH = 84;

function failureLines({ input, expected, given, because }: Failure): string[] {
  const lines = [
    'The smallest input on which it fails:', ...indented('  ', input),
    '', ...indented('expected  ', expected), ...indented('given     ', given),
  ];
  if (because !== undefined) lines.push('', ...wrapped(because));
  return lines.map((line) => (line === '' ? '' : `      ${line}`));
}

/** The lines of a text: the first after `start`, the others below it. */
function indented(start: string, text: string): string[] {
  return text.split('\n').map((line, i) => (i === 0 ? start : ' '.repeat(start.length)) + line);
}

/** Prose in lines. */
export function wrapped(text: string): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines[lines.length - 1];
    if (last !== '' && last.length + 1 + word.length > WIDTH) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines;
}
