/**
 * A model at a glance: a table of its modules and their parameters.
 *
 *     layer      type       parameters       count
 *     ────────────────────────────────────────────
 *                Reader                          0
 *     embedding  Embedding  weight [16, 64]  1,024
 *     ────────────────────────────────────────────
 *     total                                  1,024
 */
import { checkArgument, instanceOf } from '@mambagrad/tensor/options';
import { Module } from './module.ts';

/**
 * A table to print, with a row for each module: its path, its class, the names and shapes of its
 * direct parameters, and the number of their values. A tied parameter counts where it appears
 * first. The last row has the total; if parameters are frozen, a row below it says how many values.
 */
export function summary(model: Module): string {
  checkArgument('summary', 'model', model, instanceOf(Module));
  const layers = model.namedModules().map(([path, { constructor }]) => {
    const prefix = path === '' ? '' : `${path}.`;
    return { path, prefix, type: constructor.name, shapes: new Array<string>(), count: 0 };
  });
  for (const [name, { shape, numel }] of model.namedParameters()) {
    // Modules come before their submodules, so the last one whose path fits is the owner.
    const owner = layers.findLast(({ prefix }) => name.startsWith(prefix)) ?? layers[0];
    owner.shapes.push(`${name.slice(owner.prefix.length)} [${shape.join(', ')}]`);
    owner.count += numel;
  }
  const frozen = model.parameters().reduce((sum, x) => sum + (x.isFrozen ? x.numel : 0), 0);
  const totals = [
    { path: 'total', type: '', shapes: [], count: model.parameterCount() },
    ...(frozen > 0 ? [{ path: 'frozen', type: '', shapes: [], count: frozen }] : []),
  ];
  const cells = [...layers, ...totals].map(({ path, type, shapes, count }) => {
    return [path, type, shapes.join(', '), count.toLocaleString('en')];
  });
  const rows = [['layer', 'type', 'parameters', 'count'], ...cells];
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const lines = rows.map((row) =>
    row.map((cell, i) => (i < 3 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  '),
  );
  const rule = '─'.repeat(lines[0].length);
  return lines.toSpliced(-totals.length, 0, rule).toSpliced(1, 0, rule).join('\n');
}
