/** Golden vectors as JSON: an array to a line, and all digits that float64 has. */
import type { ScanVectors, VectorArray, VectorCase } from '@mambagrad/mamba/testing';

/** The text of a file. */
export function formatVectors({ equation, axes, cases }: ScanVectors): string {
  const lines = [
    '{',
    ` "equation": ${JSON.stringify(equation)},`,
    ` "axes": ${JSON.stringify(axes)},`,
    ' "cases": [',
    cases.map(formatCase).join(',\n'),
    ' ]',
    '}',
  ];
  return `${lines.join('\n')}\n`;
}

function formatCase({ name, sizes, reverse, ...groups }: VectorCase): string {
  const parts = [
    `"name": ${JSON.stringify(name)}`,
    `"sizes": ${JSON.stringify(sizes)}`,
    `"reverse": ${reverse}`,
    ...Object.entries(groups).map(([group, arrays]) =>
      `${JSON.stringify(group)}: {\n${formatArrays(arrays)}\n   }`),
  ];
  return `  {\n${parts.map((part) => `   ${part}`).join(',\n')}\n  }`;
}

function formatArrays(arrays: Readonly<Record<string, VectorArray>>): string {
  return Object.entries(arrays)
    .map(([name, array]) => `    ${JSON.stringify(name)}: ${JSON.stringify(array)}`)
    .join(',\n');
}
