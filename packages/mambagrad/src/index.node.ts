/**
 * mambagrad/node: what needs files, for Node, Bun and Deno. It is `@mambagrad/nn/node`: safetensors
 * files, checkpoints and logs in folders.
 */
export * from '@mambagrad/nn/node';
