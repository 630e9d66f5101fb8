/**
 * The log of a run as a file that lines are appended to. Each line is one write, so processes that
 * log to one file do not mix their lines. A process that is killed may leave half a line: then the
 * next one begins on a new line, and `parseLog` leaves the broken one out.
 */
import { TensorError } from '@mambagrad/tensor';
import { checkArgument, string } from '@mambagrad/tensor/options';
import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import { parseLog, type Run } from './run.ts';

/** The name of the log in the folder of a run. */
export const LOG = 'log.jsonl';

/** A log in a file, which can be given to a trainer as `log`. */
export interface LogFile {
  /** Appends a line, which ends with a line break. */
  write(line: string): void;
  /** All that was written so far, by earlier runs, too. */
  read(): string;
}

/** A log in the file `path`, which is created, with its folders, at the first line. */
export function logFile(path: string): LogFile {
  checkArgument('logFile', 'path', path, string);
  let isAtLineStart = false;
  return {
    write(line) {
      if (!isAtLineStart) fs.mkdirSync(dirname(path), { recursive: true });
      const text = isAtLineStart || endsWithLineBreak(path) ? line : `\n${line}`;
      // If writing fails halfway, on a full disk, the next line has to look again.
      isAtLineStart = false;
      fs.appendFileSync(path, text);
      isAtLineStart = line.endsWith('\n');
    },
    read: () => (fs.existsSync(path) ? fs.readFileSync(path, 'utf8') : ''),
  };
}

/** Whether a new line can begin at the end of a file: it is missing, empty, or ends a line. */
function endsWithLineBreak(path: string): boolean {
  if (!fs.existsSync(path)) return true;
  const file = fs.openSync(path, 'r');
  try {
    const { size } = fs.fstatSync(file);
    const last = new Uint8Array(1);
    return size === 0 || (fs.readSync(file, last, 0, 1, size - 1), last[0] === 0x0a);
  } finally {
    fs.closeSync(file);
  }
}

/** The run whose log is in a folder; `op` is the function that was given it. */
export function loadRun(op: string, folder: string): Run {
  const path = join(folder, LOG);
  if (fs.existsSync(path)) return parseLog(fs.readFileSync(path, 'utf8'));
  throw new TensorError(`${op}: there is no log in ${folder}: ${LOG} is missing`);
}

/**
 * Reads the log of a run, as `parseLog` does: of a folder that `runFolder` made, or of a log file.
 * Throws if there is none.
 */
export function loadLog(path: string): Run {
  checkArgument('loadLog', 'path', path, string);
  const found = fs.statSync(path, { throwIfNoEntry: false });
  if (found === undefined) throw new TensorError(`loadLog: there is nothing at ${path}`);
  return found.isDirectory() ? loadRun('loadLog', path) : parseLog(fs.readFileSync(path, 'utf8'));
}
