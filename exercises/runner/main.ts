/**
 * `npm run exercise` lists the exercises, and how far each is. `npm run exercise NAME` checks one:
 * the exit code is 0 if all of its properties hold, 1 if not. With `-- --hint` it gives a hint.
 */
import { runCommand } from './command.ts';

try {
  process.exitCode = await runCommand(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 2;
}
