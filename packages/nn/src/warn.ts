/** Warnings: for what is allowed, and most often a mistake. */

/** Declared here: the packages are compiled against the language alone. */
const host = globalThis as { readonly console?: { warn(message: string): void } };

/** Shows a warning, where there is a console. */
export function warn(message: string): void {
  host.console?.warn(message);
}
