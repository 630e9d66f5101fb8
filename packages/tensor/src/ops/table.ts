/** The table of ops: all whose first argument is a tensor. */
export * from './activation.ts';
export * from './argExtreme.ts';
export * from './arrange.ts';
export * from './blocks.ts';
export * from './compare.ts';
export * from './cumulative.ts';
export * from './elementwise.ts';
export * from './indexing.ts';
export * from './linearScan.ts';
export * from './matmul.ts';
export * from './movement.ts';
export * from './reduce.ts';
export * from './sort.ts';
export * from './statistics.ts';
export * from './unbind.ts';
