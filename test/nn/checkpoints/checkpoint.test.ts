/** Checkpoints on disk: read tensor by tensor, replaced as a whole, whatever happens meanwhile. */
import { encodeSafetensors } from '@mambagrad/nn';
import { loadSafetensors, openSafetensors, saveSafetensors } from '@mambagrad/nn/node';
import { ones, tensor, TensorError, zeros } from '@mambagrad/tensor';
import { spawn } from 'node:child_process';
import {
  readdirSync, readFileSync, truncateSync, writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { expectSame } from '../../support/compare.ts';
import { eachInFolder } from '../../support/folder.ts';
import { runs } from '../../support/soak.ts';

let folder = '';
let path = '';
eachInFolder((made) => {
  folder = made;
  path = join(folder, 'model.safetensors');
});

const tensors = new Map([
  ['weight', tensor([[1, -0], [NaN, Infinity]])],
  ['scale', tensor(0.1, { dtype: 'f64' })],
  ['tokens', tensor([3, -1], { dtype: 'i32' })],
  ['empty', zeros([0, 2])],
]);

describe('saveSafetensors', () => {
  it.each([undefined, 'I64'] as const)('writes what encodeSafetensors gives (%s)', (integers) => {
    const options = { metadata: new Map([['step', '7']]), ...(integers && { integers }) };
    saveSafetensors(path, tensors, options);
    expect(new Uint8Array(readFileSync(path))).toEqual(encodeSafetensors(tensors, options));
    expect(readdirSync(folder)).toEqual(['model.safetensors']);
    const found = loadSafetensors(path);
    expect(found.size).toBe(tensors.size);
    for (const [name, x] of tensors) expectSame(found.get(name) ?? ones([]), x);
  });

  it('replaces a longer file as a whole', () => {
    saveSafetensors(path, [['a', ones([1000])]]);
    saveSafetensors(path, [['b', ones([1])]]);
    expect([...loadSafetensors(path).keys()]).toEqual(['b']);
  });

  it('leaves the old file, and nothing else, when it cannot write a new one', () => {
    saveSafetensors(path, tensors);
    const before = readFileSync(path);
    const broken = ones([3]);
    Object.defineProperty(broken, 'data', {
      get() {
        expect(readdirSync(folder)).toHaveLength(2);
        throw new Error('gone');
      },
    });
    expect(() => saveSafetensors(path, [['a', ones([2])], ['b', broken]])).toThrow('gone');
    expect(() => saveSafetensors(path, [['a', ones([2])], ['a', ones([2])]])).toThrow(
      'safetensors: "a" appears twice',
    );
    expect(() => saveSafetensors(join(folder, 'none', 'x'), tensors)).toThrow('ENOENT');
    expect(readFileSync(path)).toEqual(before);
    expect(readdirSync(folder)).toEqual(['model.safetensors']);
  });

  it('removes what earlier saves to the same path left behind, and no other file', () => {
    const others = ['model.safetensors.tmp', 'other.safetensors.tmp-1', 'a.model.safetensors.tmp-'];
    for (const name of [...others, 'model.safetensors.tmp-1', 'model.safetensors.tmp-2']) {
      writeFileSync(join(folder, name), '');
    }
    saveSafetensors(path, tensors);
    expect(readdirSync(folder).sort()).toEqual(['model.safetensors', ...others].sort());
  });
});

describe('openSafetensors', () => {
  it('reads a tensor when it is asked for, from the file as it was opened', () => {
    saveSafetensors(path, tensors, { metadata: new Map([['step', '7']]) });
    const file = openSafetensors(path);
    saveSafetensors(path, [['other', ones([1])]]);
    expect(file.metadata.get('step')).toBe('7');
    expect([...file.entries.keys()]).toEqual(['scale', 'weight', 'empty', 'tokens']);
    expectSame(file.read('tokens'), tensor([3, -1], { dtype: 'i32' }));
    file.close();
    expect(() => file.read('tokens')).toThrow('"tokens" is read after close()');
  });

  it('says which file is wrong, and when it becomes shorter', () => {
    writeFileSync(path, '\x02\0\0\0\0\0\0\0[]');
    expect(() => openSafetensors(path)).toThrow(TensorError);
    expect(() => openSafetensors(path)).toThrow(path);
    saveSafetensors(path, tensors);
    const file = openSafetensors(path);
    truncateSync(path, 100);
    expect(() => file.read('tokens')).toThrow('safetensors: the file has become shorter');
    file.close();
    expect(() => openSafetensors(join(folder, 'none'))).toThrow('ENOENT');
  });
});

/**
 * Runs a process of its own, from what has been compiled. It saves two tensors that hold nothing
 * but their version, version after version, until it is killed: `delay` milliseconds after the
 * first one, or by what it does itself `before` it saves.
 */
async function saveUntilKilled(version: number, delay: number, before = ''): Promise<void> {
  const program = `
    import { saveSafetensors } from '@mambagrad/nn/node';
    import { full } from '@mambagrad/tensor';
    for (let version = ${version}; ; version++) {
      const [a, b] = [full([50_000], version), full([70_000], version, { dtype: 'i32' })];
      ${before}
      const metadata = new Map([['version', String(version)]]);
      saveSafetensors(${JSON.stringify(path)}, [['a', a], ['b', b]], { metadata });
      if (version === ${version}) console.log('saved');
    }`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    cwd: fileURLToPath(new URL('../../..', import.meta.url)),
  });
  let errors = '';
  child.stderr.on('data', (chunk) => (errors += chunk));
  child.stdout.once('data', () => setTimeout(() => child.kill('SIGKILL'), delay));
  const signal = await new Promise((resolve) => child.on('close', (_code, by) => resolve(by)));
  expect(signal, errors).toBe('SIGKILL');
}

/** The version that is found, which must be whole. */
function wholeVersion(): number {
  const file = openSafetensors(path);
  const version = Number(file.metadata.get('version'));
  const [a, b] = [file.read('a'), file.read('b')];
  file.close();
  expect([a.shape, b.shape]).toEqual([[50_000], [70_000]]);
  expect([a, b].every(({ data }) => data.every((x: number) => x === version))).toBe(true);
  return version;
}

describe('a process that is killed', () => {
  const temporaries = () => readdirSync(folder).filter((name) => name !== basename(path));

  it('in the middle of writing leaves the version before', async () => {
    const kill = "{ get: () => process.kill(process.pid, 'SIGKILL') }";
    await saveUntilKilled(1, 1e6, `if (version === 3) Object.defineProperty(b, 'data', ${kill});`);
    expect(wholeVersion()).toBe(2);
    expect(temporaries()).toHaveLength(1);
    saveSafetensors(path, tensors);
    expect(temporaries()).toEqual([]);
  });

  it('at random moments leaves one whole version', async () => {
    let version = 0;
    for (let round = 0; round < runs(8); round++) {
      await saveUntilKilled(version + 1, Math.random() * 20);
      const found = wholeVersion();
      expect(found).toBeGreaterThan(version);
      expect(temporaries().length).toBeLessThanOrEqual(1);
      version = found;
    }
  });
});
