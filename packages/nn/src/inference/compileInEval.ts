/**
 * A function of a module, compiled for use rather than for training: without gradients, and with
 * dropout and the like switched off (`eval`). Parameters are captured, so weights that change are
 * seen at the next call.
 */
import {
  compile, type Compiled, type CompileOptions, guard, noGrad,
} from '@mambagrad/tensor';
import { compileOptions } from '@mambagrad/tensor/extend';
import { callable, checkArgument, instanceOf, readOptions } from '@mambagrad/tensor/options';
import { type Field, fieldsOf } from '../modules/fields.ts';
import { Buffer, Module, Parameter } from '../modules/module.ts';

/** A function that is compiled for inference. */
export interface InferenceFunction<Args extends unknown[], Result>
  extends Pick<Compiled<Args, Result>, 'inspect'> {
  (...args: Args): Result;
}

/**
 * Compiles a function that uses `module`, for each shape of its arguments (see `compile`). It runs
 * without gradients and with all modules in `eval`; after each call they are in the mode that they
 * were in, so a model can be used while it is trained. Parameters, buffers and modules that are
 * replaced by others, as by `to`, are seen, too.
 *
 *     const encode = compileInEval(model, (x: Tensor) => model.encoder.forward(x));
 */
export function compileInEval<Args extends unknown[], Result>(
  module: Module, f: (...args: Args) => Result, options: CompileOptions = {},
): InferenceFunction<Args, Result> {
  const op = 'compileInEval';
  checkArgument(op, 'module', module, instanceOf(Module));
  checkArgument(op, 'f', f, callable());
  readOptions(op, options, compileOptions);
  let parts: Parts | undefined;
  let version = 0;
  const program = compile((...args: Args) => {
    // Programs capture parameters. Those of other parts are not used again.
    guard(() => version);
    return noGrad(() => f(...args));
  }, options);
  // The mode is set outside the compiled function. It is part of the key under which programs are
  // cached, so changing it inside would trace again.
  const inEval = <T>(run: () => T): T => {
    // The list of modules is cached: calls are frequent, and modules rarely change.
    if (!parts?.fields.every(({ isCurrent }) => isCurrent())) {
      parts = partsOf(module);
      version += 1;
    }
    return module.inEval(run, parts.modules);
  };
  return Object.assign(
    (...args: Args) => inEval(() => program(...args)),
    { inspect: (...args: Args) => inEval(() => program.inspect(...args)) },
  );
}

/** The modules and fields that make up a module. */
interface Parts {
  /** The module and all below it. */
  readonly modules: readonly Module[];
  /** The fields that hold parameters, buffers and modules. */
  readonly fields: readonly Field[];
}

function partsOf(module: Module): Parts {
  const isModule = (value: object) => value instanceof Module;
  const isPart = ({ value }: Field) =>
    value instanceof Parameter || value instanceof Buffer || value instanceof Module;
  return {
    modules: module.namedModules().map(([, each]) => each),
    fields: [...fieldsOf(module, isModule)].filter(isPart),
  };
}
