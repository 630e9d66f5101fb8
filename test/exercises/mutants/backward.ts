/** Mistakes in exercises/backward.ts. */
import * as backward from '../../../exercises/solutions/backward.ts';
import type { Mutant } from './mutant.ts';

type Value = backward.Value;
type Rule = (node: Value, a: Value, b: Value) => void;

/** The right visit, with that of one op replaced. */
const visiting = (op: Value['op'], rule: Rule): object => ({
  backward: (node: Value) => {
    if (node.op === op) rule(node, node.inputs[0], node.inputs[1]);
    else backward.backward(node);
  },
});

/** The mistakes. */
export const mutants: readonly Mutant[] = [
  ['add forgets the gradient of the node', visiting('add', (_, a, b) => {
    a.grad += 1;
    b.grad += 1;
  }), /^add passes/, /1 · node\.grad/],
  ['add forgets its second input', visiting('add', (node, a) => {
    a.grad += node.grad;
  }), /^add passes/, /'?b\.grad'?: 0/],
  ['mul takes the input itself, not the other', visiting('mul', (node, a, b) => {
    a.grad += node.grad * a.data;
    b.grad += node.grad * b.data;
  }), /^mul gives/, /a gets node\.grad · b/],
  ['exp takes the input, not eᵃ', visiting('exp', (node, a) => {
    a.grad += node.grad * a.data;
  }), /^exp gives/, /node\.data/],
  ['relu lets everything pass', visiting('relu', (node, a) => {
    a.grad += node.grad;
  }), /^relu passes/, /Below 0 relu is constant/],
  ['div forgets the sign', visiting('div', (node, a, b) => {
    a.grad += node.grad / b.data;
    b.grad += (node.grad * a.data) / b.data ** 2;
  }), /^div gives/, /−a \/ b²/],
  ['div forgets the square', visiting('div', (node, a, b) => {
    a.grad += node.grad / b.data;
    b.grad -= (node.grad * a.data) / b.data;
  }), /^div gives/, /−a \/ b²/],
  ['gradients are set, not added', visiting('mul', (node, a, b) => {
    a.grad = node.grad * b.data;
    b.grad = node.grad * a.data;
  }), /holds? already stays/, /\+= instead of =/],
  ['equal inputs get one part', visiting('mul', (node, a, b) => {
    a.grad += node.grad * b.data;
    if (a !== b) b.grad += node.grad * a.data;
  }), /used twice/, /both inputs are the same object/],
  ['the gradient of a leaf is cleared', visiting('leaf', (node) => {
    node.grad = 0;
  }), /^a leaf passes nothing/, /stay as they are/],
  ['gradients of what has been reached are dropped', visiting('add', (node, a, b) => {
    for (const input of [a, b]) {
      if (input.op === 'leaf') input.grad += node.grad;
    }
  }), /^visiting all values/, /the loss/],
];
