/** The command line of `npm run book`. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

/** Runs what is compiled: only that is a program of its own. */
function book(...args: string[]): { status: number | null; out: string; error: string } {
  const main = fileURLToPath(new URL('../../dist/book/src/main.js', import.meta.url));
  const { status, stdout, stderr } =
    spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' });
  return { status, out: stdout, error: stderr };
}

test('help lists the options', () => {
  const { status, out } = book('--help');
  expect(status).toBe(0);
  for (const option of ['--build [FOLDER]', '--port N', 'Default 8787']) {
    expect(out).toContain(option);
  }
});

test.each([
  [['--port', 'x'], 'book: --port is x, expected a whole number from 0 to 65535'],
  [['--port', '65536'], 'book: --port is 65536, expected a whole number from 0 to 65535'],
  [['--port=-1'], 'book: --port is -1, expected a whole number from 0 to 65535'],
  [['folder'], 'book: expected --build before folder'],
  [['--build', 'a', 'b'], 'book: expected one folder, got a, b'],
  [['--prot', '1'], "Unknown option '--prot'"],
])('%j is an error', (args, message) => {
  const { status, out, error } = book(...args);
  expect(status).toBe(2);
  expect(out).toBe('');
  expect(error).toContain(message);
  expect(error).toContain('--build [FOLDER]');
});
