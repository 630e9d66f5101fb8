/** Runs the programs that a page asks for in a module worker, and answers each with its result. */
import { runProgram } from './programs.ts';

addEventListener('message', ({ data }: MessageEvent<readonly [name: string, options: object]>) => {
  runProgram(...data).then(
    (result) => postMessage({ result }),
    (error: unknown) => postMessage({ error: String(error) }),
  );
});
