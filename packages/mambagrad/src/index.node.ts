/**
 * mambagrad/node: what needs files, for Node, Bun and Deno. It is `@mambagrad/nn/node`: safetensors
 * files, and checkpoints in a folder.
 */
export * from '@mambagrad/nn/node';
