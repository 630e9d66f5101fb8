/**
 * Engines and processes that can do less: without WebAssembly, without addresses to spare, without
 * permission for anything. Everything runs there as well, in JavaScript if need be.
 */
import { spawnSync } from 'node:child_process';
import { beforeAll, describe, expect, it } from 'vitest';
import { someOf } from '../../support/soak.ts';

interface Output {
  readonly stdout: string;
  readonly stderr: string;
}

/** What a program writes that runs in a process of its own, by the shell. */
function outputOf(flags: readonly string[], program: string, limit = ''): Output {
  const command = [process.execPath, ...flags, '--no-warnings', '--input-type=module', '-'];
  const quoted = command.map((part) => `'${part}'`).join(' ');
  return spawnSync('sh', ['-c', `${limit} exec ${quoted}`], {
    input: program, encoding: 'utf8', timeout: 50_000,
  });
}

/** Trains a small model, predicts with it, and writes on with it. */
const everything = `
  import { compile, manualSeed, tensor } from '@mambagrad/tensor';
  import { AdamW, crossEntropy, Trainer } from '@mambagrad/nn';
  import { generate, MambaLM } from '@mambagrad/mamba';
  manualSeed(3);
  const model = new MambaLM({ vocabSize: 5, hiddenSize: 8, stateSize: 4, numLayers: 1 });
  const optimizer = new AdamW(model.parameters(), { lr: 1e-2 });
  const x = tensor([[1, 2, 3, 4, 0, 1, 2, 3]], { dtype: 'i32' });
  const losses = [];
  const trainer = new Trainer({
    model, optimizer, data: () => x,
    loss: (batch) => ({ loss: crossEntropy(model.forward(batch), batch) }),
    callbacks: [({ metrics }) => losses.push(metrics.loss)],
  });
  await trainer.fit(3);
  const script = compile((y) => y.exp().sum(), { backend: 'js' })(model.predict(x)).item();
  const tokens = [];
  for await (const [token] of generate(model, [[1, 2]], { maxTokens: 4, temperature: 0 })) {
    tokens.push(token);
  }
  let wasm = 'fine';
  try {
    compile((y) => y.add(1), { backend: 'wasm' })(x);
  } catch (error) {
    wasm = error.message;
  }
  console.log(JSON.stringify({ losses, script, tokens, wasm }));
`;

interface Found {
  readonly losses: readonly number[];
  readonly script: number;
  readonly tokens: readonly number[];
  readonly wasm: string;
  readonly stderr: string;
}

function run(flags: readonly string[], before = '', limit = ''): Found {
  const { stdout, stderr } = outputOf(flags, before + everything, limit);
  expect(stdout, stderr).not.toBe('');
  return { ...(JSON.parse(stdout) as Found), stderr };
}

describe('training, prediction and generation', () => {
  let expected: Found;
  beforeAll(() => {
    expected = run([]);
  });

  function expectLike(found: Found): void {
    expect(found.losses).toHaveLength(3);
    found.losses.forEach((loss, i) => {
      expect(Math.abs(loss - expected.losses[i])).toBeLessThan(1e-5);
    });
    expect(found.script).toBeCloseTo(expected.script, 4);
    expect(found.tokens).toEqual(expected.tokens);
  }

  it('run here', () => {
    expect(expected.losses[2]).toBeLessThan(expected.losses[0]);
    expect([expected.tokens.length, expected.wasm]).toEqual([4, 'fine']);
  });

  // Each takes a process or two, so some are tried, as the seed chooses.
  const places: Readonly<Record<string, () => void>> = {
    'run where there is no WebAssembly'() {
      const found = run([], 'delete globalThis.WebAssembly;');
      expectLike(found);
      expect(found.wasm).toBe("compile: backend is 'wasm', but there is no WebAssembly here; " +
        "expected 'js', or none, for the best there is");
    },
    'run in an engine that makes no machine code'() {
      const found = run(['--jitless']);
      expectLike(found);
      expect(found.wasm).toContain('there is no WebAssembly here');
    },
    'run line by line where no code may be generated, and compile says what is needed'() {
      const program = `
        import { compile, grad, manualSeed, normal, uniform } from '@mambagrad/tensor';
        import { MambaLM } from '@mambagrad/mamba';
        manualSeed(5);
        const hashOf = ({ data }) => new Int32Array(Float32Array.from(data).buffer).reduce(
          (hash, word) => (Math.imul(hash, 31) + word) | 0, 0,
        );
        const model = new MambaLM({ vocabSize: 5, hiddenSize: 8, stateSize: 4, numLayers: 1 });
        const x = uniform([2, 6], 0, 5).cast('i32');
        const loss = model.forward(x).square().mean();
        const bits = [
          uniform([50_000]), normal([50_000]), loss, ...grad(loss, model.parameters()),
        ].map(hashOf);
        const errors = [{}, { backend: 'wasm' }, { backend: 'js' }].map((options) => {
          try {
            return hashOf(compile((y) => y.exp(), options)(normal([7])));
          } catch (error) {
            return error.message;
          }
        });
        console.log(JSON.stringify({ bits, errors }));`;
      const forbid = `WebAssembly.Module = class {
        constructor() {
          throw new WebAssembly.CompileError('violates the Content Security policy');
        }
      };`;
      const flags = ['--disallow-code-generation-from-strings'];
      type Result = { readonly bits: readonly number[]; readonly errors: readonly unknown[] };
      const [free, forbidden] = [outputOf([], program), outputOf(flags, forbid + program)].map(
        ({ stdout, stderr }) => {
          expect(stderr).toBe('');
          return JSON.parse(stdout) as Result;
        },
      );
      expect(forbidden.bits).toEqual(free.bits);
      expect(new Set(free.errors.map((each) => typeof each))).toEqual(new Set(['number']));
      const policy = 'script-src of the Content-Security-Policy needs';
      const wasm = `WebAssembly may not be compiled here: ${policy} 'wasm-unsafe-eval'`;
      const js = `functions may not be made from text here: ${policy} 'unsafe-eval'`;
      expect(forbidden.errors).toEqual([
        `compile: no backend can be used here, neither 'wasm' (${wasm}) nor 'js' (${js})`,
        `compile: backend is 'wasm', but ${wasm}; expected 'js', or none, for the best there is`,
        `compile: backend is 'js', but ${js}`,
      ]);
    },
    'run where neither a worker nor a file but the sources is allowed'() {
      // From Node 23 on the flag has no prefix.
      const flag = process.allowedNodeEnvironmentFlags.has('--permission')
        ? '--permission' : '--experimental-permission';
      expectLike(run([flag, '--allow-fs-read=*']));
    },
    'run where addresses are few'() {
      const program = `
        import { compile, ones } from '@mambagrad/tensor';
        const [best, wasm] = [{ threads: 4 }, { backend: 'wasm' }].map((options) => (
          compile((x) => x.exp().matmul(x).sum(), options)
        ));
        const x = ones([200, 200]);
        console.log(best(x).item());
        try {
          console.log(wasm(x).item());
        } catch (error) {
          console.log(error.message);
        }`;
      // In kilobytes: too few for a WebAssembly memory, and enough for that, but for no thread.
      for (const limit of [6_000_000, 12_500_000]) {
        const { stdout, stderr } = outputOf([], program, `ulimit -v ${limit};`);
        const [best, wasm] = stdout.split('\n');
        expect(Math.abs(Number(best) / (200 ** 3 * Math.E) - 1), stderr).toBeLessThan(1e-5);
        // How few are too few depends on the version of the engine.
        if (wasm === best) continue;
        expect(wasm).toContain('gets no memory in this process');
        const [warning, ...others] = stderr.split('\n');
        expect(warning).toMatch(/^compile: WebAssembly gets no memory .* slower$/);
        expect(others).toEqual([
          'threads: 4 were asked for, but there is one, as the address space is limited (ulimit ' +
            '-v)',
          '',
        ]);
      }
    },
  };
  const here = Object.entries(places)
    .filter(([where]) => process.platform === 'linux' || !where.includes('addresses'));
  it.each(someOf(here))('%s', (_, body) => body());
});
