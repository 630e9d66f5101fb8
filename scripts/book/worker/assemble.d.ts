/** A block: its code, and the line before its first one. */
export interface Block {
    readonly line: number;
    readonly code: string;
}
/** What a program imports: a name of a module, or all of it (`*`), under a local name. */
export interface Imported {
    readonly from: string;
    readonly name: string;
    readonly local: string;
}
export interface Assembled {
    /** An expression: an async function of the page and its modules. */
    readonly code: string;
    readonly imports: readonly Imported[];
    /** All modules that are named, in order. */
    readonly specifiers: readonly string[];
}
/** What errors call the code, so that their stacks tell its lines. */
export declare const SOURCE = "page.js";
/** Puts blocks together. Throws if they import one name from two modules. */
export declare function assemble(blocks: readonly Block[]): Assembled;
//# sourceMappingURL=assemble.d.ts.map