/**
 * Counts of the changes to tensors that compiled programs look out for. Where a count is what it
 * was, no tensor has changed in that way, and a call need not look at each that it uses.
 */
export const changes = {
  /** How often `requiresGrad` of a tensor was changed. */
  requiresGrad: 0,
  /** How often a tensor was given another array, by `assign`. */
  arrays: 0,
};
