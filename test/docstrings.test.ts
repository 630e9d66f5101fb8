/**
 * Everything public has a docstring: each name that a package's entry points export, and each
 * public member of the classes and interfaces among them, and of those that they extend. Left out
 * are members that are private, protected or `#hidden`; those whose docstring is inherited, because
 * they are marked `override` or a class or interface above them has it; and constructors: the
 * docstring of the class says what it is made of, and the interface of its options what they mean.
 */
import * as kernel from '@mambagrad/kernel';
import * as mamba from '@mambagrad/mamba';
import * as testing from '@mambagrad/mamba/testing';
import * as nn from '@mambagrad/nn';
import * as browser from '@mambagrad/nn/browser';
import * as files from '@mambagrad/nn/node';
import * as tensor from '@mambagrad/tensor';
import * as extend from '@mambagrad/tensor/extend';
import * as host from '@mambagrad/tensor/host';
import * as wasm from '@mambagrad/wasm';
import * as options from '@mambagrad/wasm/options';
import { expect, test } from 'vitest';
import { publicNames } from './support/docstrings.ts';

const names = publicNames();

test('everything public has a docstring', () => {
  expect(names.filter(({ isDocumented }) => !isDocumented).map(({ place }) => place)).toEqual([]);
});

test('all values that the packages export are looked at', () => {
  const found = new Set(names.map(({ place }) => place.replace(/.* /, '')));
  const exported = {
    ...kernel, ...mamba, ...testing, ...nn, ...browser, ...files, ...tensor, ...extend, ...host,
    ...wasm, ...options,
  };
  // These two are declared under other names.
  const { var: _variance, stopGradient: _detach, ...declared } = exported;
  expect(Object.keys(declared).filter((name) => !found.has(name))).toEqual([]);
});

test('members are found, with those of interfaces that are extended', () => {
  const found = new Set(names.map(({ place }) => place));
  for (const name of [
    'packages/wasm/src/common/options.ts Kind.orElse',
    'packages/wasm/src/assembler/immediates.ts Item.home',
    'packages/wasm/src/assembler/parts.ts WasmFunction.local',
    'packages/kernel/src/matmul/microkernel.ts Result.epilogue',
    'packages/tensor/src/core/tensor.ts Tensor.requiresGrad',
    'packages/nn/src/modules/module.ts Module.training',
    'packages/mamba/src/models/stack.ts Stack.predict',
    'packages/mamba/src/ops/ssd/composed.ts SSDResult.lastState',
  ]) {
    expect(found).toContain(name);
  }
});
