/**
 * mambagrad: tensors, layers, training and models in one package. It exports all of
 * `@mambagrad/tensor`, `@mambagrad/nn` and `@mambagrad/mamba`, under the same names:
 *
 *     import { AdamW, compile, MambaLM, tensor } from 'mambagrad';
 */
export * from '@mambagrad/tensor';
export * from '@mambagrad/nn';
export * from '@mambagrad/mamba';
