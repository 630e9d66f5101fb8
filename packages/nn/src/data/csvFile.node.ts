/** CSV files, plain or compressed by gzip. */
import { TensorError } from '@mambagrad/tensor';
import { messageOf } from '@mambagrad/tensor/host';
import { checkArgument, string } from '@mambagrad/tensor/options';
import { isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { type CsvOptions, tableOf } from './csv.ts';
import type { ColumnTypes, DataTable, RowOf } from './dataTable.ts';

/**
 * Reads a table from a CSV file in UTF-8, as `parseCsv` does; a file whose name ends in .gz is
 * decompressed. Throws if the file cannot be read, is not UTF-8, or is no table.
 */
export function readCsv<const Types extends ColumnTypes = Readonly<Record<never, never>>>(
  path: string, options: CsvOptions<Types> = {},
): DataTable<RowOf<Types>> {
  checkArgument('readCsv', 'path', path, string);
  const bytes = readFileSync(path);
  const text = textOf(path, path.endsWith('.gz') ? decompressed(path, bytes) : bytes);
  try {
    return tableOf('readCsv', text, options);
  } catch (cause) {
    if (!(cause instanceof TensorError)) throw cause;
    throw new TensorError(`${cause.message} (${path})`, { cause });
  }
}

function decompressed(path: string, bytes: Buffer): Buffer {
  try {
    return gunzipSync(bytes);
  } catch (cause) {
    const reason = messageOf(cause);
    throw new TensorError(`readCsv: ${path} cannot be decompressed: ${reason}`, { cause });
  }
}

function textOf(path: string, bytes: Buffer): string {
  if (!isUtf8(bytes)) {
    throw new TensorError(
      `readCsv: ${path} is not UTF-8; decode it with TextDecoder, and pass the text to parseCsv`,
    );
  }
  try {
    return bytes.toString('utf8');
  } catch (cause) {
    throw new TensorError(
      `readCsv: ${path} has ${bytes.length} bytes, more than a string can hold; split the file`,
      { cause },
    );
  }
}
