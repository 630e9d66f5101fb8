/** Says what is no error, but most likely not meant, where there is a console. */
export function warn(message: string): void {
  const { console } = globalThis as { console?: { warn(message: string): void } };
  console?.warn(message);
}
