/**
 * `npm run exercise` lists the exercises, and how far each is. `npm run exercise NAME` checks one:
 * the exit code is 0 if all of its properties hold, 1 if not. With `-- --hint` it gives a hint.
 */
import { runCommand } from './command.ts';

try {
  process.exitCode = await runCommand(process.argv.slice(2));
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  // After the first sentence on an unknown option, Node goes on about positional arguments.
  const isOfNode = String(Reflect.get(Object(error), 'code')).startsWith('ERR_PARSE_ARGS');
  console.error(isOfNode ? `${message.split('. ')[0]} (--help lists the options)` : message);
  process.exitCode = 2;
}
