/**
 * mambagrad/extend: for ops and layers of your own. It has what authors of ops need
 * (`@mambagrad/tensor/extend`), the loop language in which their kernels are written, as `k`
 * (`@mambagrad/kernel`), the tables through which options are read (`@mambagrad/tensor/options`),
 * and the console, clock and event loop that browsers and Node share (`@mambagrad/tensor/host`):
 *
 *     import { check, k, readOptions, unary } from 'mambagrad/extend';
 */
export * from '@mambagrad/tensor/extend';
export * from '@mambagrad/tensor/host';
export * from '@mambagrad/tensor/options';
export * as k from '@mambagrad/kernel';
