/** What a page and the worker that runs its code say to each other. */
import type { Block } from './assemble.ts';

/** What is to be run: blocks in order. */
export interface Job {
  readonly blocks: readonly Block[];
  /** The exercise that the blocks are an answer to: its check follows. */
  readonly exercise?: string;
}

/** Something that was printed. */
export interface Printed {
  readonly kind: 'print';
  /** Of the `console.log` on the page; 0 if that is not known. */
  readonly line: number;
  readonly text: string;
}

/** Points of a curve, drawn as they come. */
export interface Drawn {
  readonly kind: 'draw';
  readonly name: string;
  readonly values: Float64Array;
}

/** That a block has begun, by the line of its fence. */
export interface Entered {
  readonly kind: 'enter';
  readonly line: number;
}

/** That the check of an exercise is about to try an input. */
export interface Tried {
  readonly kind: 'try';
  readonly property: string;
  readonly input: string;
}

/** The report of a check. */
export interface Checked {
  readonly kind: 'check';
  readonly isDone: boolean;
  readonly text: string;
}

/** That more was printed than can be shown. */
export interface Cut {
  readonly kind: 'cut';
  /** How many texts were left out, or were cut. */
  readonly count: number;
}

/** The end of a run: with an error, at a line if that is known (else 0), or without one. */
export interface Ended {
  readonly kind: 'end';
  readonly error?: { readonly line: number; readonly text: string };
  readonly milliseconds: number;
}

/** What a page asks the worker for that draws its interactive pieces. */
export interface PieceJob {
  /** The number of the request, which the answer has, too. */
  readonly id: number;
  /** The name of the picture. */
  readonly name: string;
  readonly settings: Readonly<Record<string, number | string | boolean>>;
}

/** A piece as it was drawn, or why it was not. */
export interface Drawing {
  readonly id: number;
  readonly svg?: string;
  readonly error?: string;
}

export type Message = Printed | Drawn | Entered | Tried | Checked | Cut | Ended;
