/**
 * Mistakes that people make in the exercises. Each is a wrong answer, with the property that has to
 * find it, and a part of the message, which has to fit the mistake.
 */

/** A mistake, the wrong module, the property that finds it, and what the message says. */
export type Mutant = readonly [mistake: string, module: object, property: RegExp, message: RegExp];
