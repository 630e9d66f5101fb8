/** A folder for each test of a file, where it may write. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';

/**
 * Makes an empty folder before each test, whose path `enter` gets, and removes it after the test.
 */
export function eachInFolder(enter: (folder: string) => void): void {
  let folder = '';
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'mambagrad-'));
    enter(folder);
  });
  afterEach(() => rmSync(folder, { recursive: true }));
}
