#!/usr/bin/env node
/**
 * The command `mambagrad`: reports and plots of training runs. It is `runCommand` of nn/node.
 */
import { runCommand } from './index.node.ts';

/** The parts of Node that are used. This file is compiled without Node's types. */
interface Host {
  readonly process: { readonly argv: readonly string[]; exitCode: number };
  readonly console: { log(text: string): void; error(text: string): void };
}

const { process, console } = globalThis as unknown as Host;
const { text, code } = runCommand(process.argv.slice(2));
if (code === 0) console.log(text);
else console.error(text);
process.exitCode = code;
