/** Options of the assembler and of the loop language that are unknown or wrong. */
import { addRegions, buffer, kernel, store } from '@mambagrad/kernel';
import { Module, setThreads } from '@mambagrad/wasm';
import { forEach } from '../../packages/tensor/src/core/lowering.ts';
import { expect, it } from 'vitest';

it.each<[string, (options: never) => unknown, unknown, string]>([
  [
    'memory', (o) => new Module().memory(o), { mn: 1 },
    "memory memory: there is no option 'mn'; did you mean 'min'?",
  ],
  ['memory', (o) => new Module().memory(o), {}, 'memory memory: min is missing, expected a whole'],
  [
    'memory', (o) => new Module().memory(o), { min: -1 },
    'memory memory: min is -1, expected a whole',
  ],
  ['memory', (o) => new Module().memory(o), { min: 0, max: 70000 }, 'memory memory: max is 70000'],
  [
    'importMemory', (o) => new Module().importMemory('host', 'm', o), { min: 0, shared: 1 },
    'memory m: shared is 1, expected true or false',
  ],
  [
    'addRegions',
    (o) => {
      const y = buffer('y', 'f32', 4);
      return addRegions(new Module(), kernel('one', [y], [store(y, 0, 1)]), o);
    },
    { fused: true }, "kernel one: there is no option 'fused'; did you mean 'fuse'?",
  ],
  [
    'forEach', (o) => forEach([2], () => [], o), { work: -1 },
    'forEach: work is -1, expected a number from 0',
  ],
  ['setThreads', (o) => setThreads(o), 0, 'setThreads: count is 0, expected a whole number from 1'],
])('%s says what is wrong', (_name, call, options, message) => {
  expect(() => call(options as never)).toThrow(message);
});
