/** A folder of checkpoints: which one is the last, which ones go, and what else may lie there. */
import { Linear, type StateDict } from '@mambagrad/nn';
import { checkpointFolder, openSafetensors, saveSafetensors } from '@mambagrad/nn/node';
import { full } from '@mambagrad/tensor';
import fc from 'fast-check';
import { spawnSync } from 'node:child_process';
import fs, {
  mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync,
  utimesSync, writeFileSync,
} from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, vi } from 'vitest';
import { saveBeside } from '../../../bench/support/savers.ts';
import { eachInFolder } from '../../support/folder.ts';
import { runs } from '../../support/soak.ts';

let folder = '';
const warnings = vi.spyOn(console, 'warn');
eachInFolder((made) => {
  folder = made;
  warnings.mockReset().mockImplementation(() => undefined);
});

const stateOf = (value: number): StateDict => new Map([['x', full([3], value)]]);
const valueOf = (state: StateDict | undefined) => state?.get('x')?.data[0];
const files = () => readdirSync(folder).sort();
const pathOf = (step: number | string) => join(folder, `step-${step}.safetensors`);

describe('checkpointFolder', () => {
  it('loads what was saved last and keeps the last few, in whatever order steps come', () => {
    const anySteps = fc.array(fc.nat({ max: 12 }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(anySteps, fc.integer({ min: 1, max: 4 }), (steps, keep) => {
        const inner = mkdtempSync(join(folder, 'a'));
        steps.forEach((step, i) => {
          // Another process each time, which knows only what lies there.
          const store = checkpointFolder(inner, keep);
          void store.save(step, stateOf(i));
          expect(valueOf(store.load() as StateDict)).toBe(i);
        });
        const last = [...new Set(steps.toReversed())].slice(0, keep);
        const names = last.map((step) => `step-${step}.safetensors`);
        expect(readdirSync(inner).sort()).toEqual(names.sort());
      }),
      { numRuns: runs(20) },
    );
  });

  it('goes on after those of an earlier version, whose files have no number', () => {
    for (const step of [5, 10]) saveSafetensors(pathOf(step), stateOf(step));
    const store = checkpointFolder(folder, 2);
    expect(valueOf(store.load() as StateDict)).toBe(10);
    void store.save(7, stateOf(7));
    expect(files()).toEqual(['step-10.safetensors', 'step-7.safetensors']);
    expect(valueOf(store.load() as StateDict)).toBe(7);
  });

  it('keeps a whole number from 1, or all', () => {
    for (const keep of [0, -1, NaN, 1.5, '2' as never]) {
      expect(() => checkpointFolder(folder, keep)).toThrow(
        /^checkpointFolder: keep is .*, expected a whole number from 1 or Infinity$/,
      );
    }
    const store = checkpointFolder(folder, Infinity);
    for (let step = 0; step < 5; step++) void store.save(step, stateOf(step));
    expect(files()).toHaveLength(5);
    expect(() => store.save(NaN, stateOf(1))).toThrow('checkpointFolder: step is NaN');
    expect(() => checkpointFolder(undefined as never)).toThrow('folder is missing');
  });

  it('passes over names that are none of its own', () => {
    const odd = ['007', '1e3', '-1', '12345678901234567890123', ' 1', '1.5'];
    for (const name of odd) writeFileSync(pathOf(name), 'not mine');
    mkdirSync(pathOf(99));
    symlinkSync(join(folder, 'nowhere'), pathOf(98));
    const store = checkpointFolder(folder, 1);
    expect(store.load()).toBeUndefined();
    for (const step of [1, 2]) void store.save(step, stateOf(step));
    // A link is replaced, not followed.
    void store.save(98, stateOf(3));
    expect(valueOf(store.load() as StateDict)).toBe(3);
    expect(files().filter((name) => !odd.some((part) => name === `step-${part}.safetensors`)))
      .toEqual(['step-98.safetensors', 'step-99.safetensors']);
    expect(warnings).not.toHaveBeenCalled();
  });

  it('offers the last whole one if newer ones are damaged, and says so', () => {
    const store = checkpointFolder(folder, 2);
    for (const step of [1, 2]) void store.save(step, stateOf(step));
    writeFileSync(pathOf(2), readFileSync(pathOf(2)).subarray(0, 80));
    expect(valueOf(store.load() as StateDict)).toBe(1);
    expect(warnings.mock.calls.flat().join()).toContain('step-2.safetensors');
    // What cannot be read is not counted, and not removed.
    for (const step of [3, 4, 5]) void store.save(step, stateOf(step));
    expect(files()).toEqual([2, 4, 5].map((step) => `step-${step}.safetensors`));
    for (const step of [4, 5]) writeFileSync(pathOf(step), '');
    expect(() => store.load()).toThrow('checkpointFolder: no checkpoint can be read');
  });

  it('removes what dead processes were writing, and not what others write', () => {
    const { pid } = spawnSync(process.execPath, ['--version']);
    const store = checkpointFolder(folder);
    void store.save(1, stateOf(1));
    // The machine is known from a part of our own, which is there while we write.
    let own = '';
    const state = full([1], 0);
    Object.defineProperty(state, 'data', {
      get() {
        own = files().find((name) => name.includes('.tmp-')) ?? '';
        return Float32Array.of(0);
      },
    });
    saveSafetensors(join(folder, 'x'), [['x', state]]);
    const name = (process: number, step = 5) =>
      own.replace('x.tmp', `step-${step}.safetensors.tmp`).replace(/tmp-\d+/, `tmp-${process}`);
    const elsewhere = name(pid, 6).replace(/-[0-9a-f]{8}-/, '-00000000-');
    const [dead, alive, old] = [name(pid), name(process.ppid, 7), name(process.ppid, 8)];
    for (const part of [dead, alive, old, elsewhere]) writeFileSync(join(folder, part), '');
    const twoDaysAgo = Date.now() / 1000 - 2 * 24 * 3600;
    utimesSync(join(folder, old), twoDaysAgo, twoDaysAgo);
    void store.save(2, stateOf(2));
    expect(files().filter((found) => found.includes('.tmp-'))).toEqual([alive, elsewhere].sort());
  });

  /**
   * Runs `body`; before its nth opening of a file another process saves a third and removes two.
   */
  function removingAt(moment: number, body: () => void): void {
    const { openSync } = fs;
    let opened = 0;
    const removeFirst: typeof openSync = (...args) => {
      opened += 1;
      if (opened === moment) {
        renameSync(pathOf(1), pathOf(3));
        rmSync(pathOf(2));
      }
      return openSync(...args);
    };
    fs.openSync = removeFirst;
    syncBuiltinESMExports();
    try {
      body();
    } finally {
      fs.openSync = openSync;
      syncBuiltinESMExports();
    }
    expect(opened).toBeGreaterThan(moment);
  }

  it.each([1, 2, 3])('lists again if others remove what it listed, before opening %i', (moment) => {
    const store = checkpointFolder(folder, 2);
    for (const step of [1, 2]) void store.save(step, stateOf(step));
    removingAt(moment, () => expect(valueOf(store.load() as StateDict)).toBe(1));
    expect(warnings).not.toHaveBeenCalled();
  });

  it('saves as the latest if others remove what it listed', () => {
    const store = checkpointFolder(folder, 2);
    // As many that the number of the one that stays is high.
    for (const step of [5, 6, 7, 2, 1]) void store.save(step, stateOf(step));
    removingAt(1, () => void store.save(9, stateOf(9)));
    expect(valueOf(store.load() as StateDict)).toBe(9);
  });

  it('lets processes save beside each other that are killed at any time', async () => {
    const { saves, kills, leftOver } = await saveBeside(folder, 2, 2500, Math.random);
    expect(saves).toBeGreaterThan(0);
    expect(kills).toBeGreaterThan(1);
    expect(leftOver).toBe(0);
  });
});

describe('saveSafetensors', () => {
  const flags = ['--permission', '--experimental-permission'];
  const flag = flags.find((name) => process.allowedNodeEnvironmentFlags.has(name));

  it.runIf(flag)('works where Node allows only one folder to be written', () => {
    const program = `
      import { checkpointFolder } from '@mambagrad/nn/node';
      import { full } from '@mambagrad/tensor';
      const store = checkpointFolder(${JSON.stringify(folder)}, 2);
      for (const step of [1, 2, 3]) store.save(step, new Map([['x', full([3], step)]]));
      console.log(store.load().get('x').data[0]);`;
    const allowed = [flag ?? '', '--allow-fs-read=*', `--allow-fs-write=${folder}/*`];
    const cwd = fileURLToPath(new URL('../../..', import.meta.url));
    const args = [...allowed, '--input-type=module', '--eval', program];
    const { stdout, stderr } = spawnSync(process.execPath, args, { cwd, encoding: 'utf8' });
    expect(stdout, stderr).toBe('3\n');
    expect(files()).toEqual(['step-2.safetensors', 'step-3.safetensors']);
  });

  it('writes again if its part was removed by another', () => {
    const path = join(folder, 'x');
    let attempts = 0;
    const state = full([1], 0);
    Object.defineProperty(state, 'data', {
      get() {
        if (attempts++ < 3) for (const name of files()) rmSync(join(folder, name));
        return Float32Array.of(4);
      },
    });
    saveSafetensors(path, [['x', state]]);
    expect(attempts).toBe(4);
    expect(files()).toEqual(['x']);
    expect(openSafetensors(path).read('x').toArray()).toEqual([4]);
    attempts = -100;
    expect(() => saveSafetensors(path, [['x', state]])).toThrow(
      'other processes remove the temporary file',
    );
  });

  it('takes tensors by name, not a model', () => {
    const model = new Linear(1, 1) as unknown as StateDict;
    expect(() => saveSafetensors(join(folder, 'x'), model)).toThrow(
      'saveSafetensors: tensors is a Linear, expected tensors by name, such as model.stateDict()',
    );
    expect(() => saveSafetensors(3 as never, stateOf(1))).toThrow('saveSafetensors: path is 3');
    expect(files()).toEqual([]);
  });
});
