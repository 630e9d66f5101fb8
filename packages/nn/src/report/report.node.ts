/**
 * The report of a run in its folder: `log.jsonl` is read, and `report.html` written beside it.
 */
import { checkArgument, string } from '@mambagrad/tensor/options';
import * as fs from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { loadRun } from './logFile.node.ts';
import { pageOf, readReportOptions, type ReportOptions } from './page.ts';

/**
 * Writes the report of a run into its folder, as `report.html`, which any browser opens; gives the
 * path of the file. The folder is one of `runFolder`, with the log in `log.jsonl`.
 */
export function report(folder: string, options: ReportOptions = {}): string {
  checkArgument('report', 'folder', folder, string);
  const settings = readReportOptions('report', options, basename(resolve(folder)));
  const run = loadRun('report', folder);
  const path = join(folder, 'report.html');
  fs.writeFileSync(path, pageOf(run, settings));
  return path;
}
