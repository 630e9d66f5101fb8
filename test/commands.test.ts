/** The commands of the workspace, given what they do not take: they say so, and do nothing. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const file = fileURLToPath(new URL('../scripts/run.mjs', import.meta.url));

test.each([
  ['pack --help', 'pack: expected FOLDER, got --help'],
  ['pack one two', 'pack: expected FOLDER, got one two'],
  ['vectors --x', 'vectors: expected FOLDER, got --x'],
  ['pictures --recrod', 'pictures: expected --record, got --recrod'],
  ['pictures docs', 'pictures: expected --record, got docs'],
  ['api docs', 'api: expected no arguments, got docs'],
  ['build -- --watch', 'build: expected no arguments, got --watch'],
  ['bulid', 'expected one of start, example, exercise, bench, api, book, pictures, vectors, ' +
    'pack, consumers, build, soak, test'],
])('%s', (line, message) => {
  const { status, stdout, stderr } =
    spawnSync(process.execPath, [file, ...line.split(' ')], { encoding: 'utf8' });
  expect({ status, stdout, stderr: stderr.trim() }).toEqual(
    { status: 2, stdout: '', stderr: message },
  );
});
