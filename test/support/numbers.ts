/** Numbers that tests begin with. */

/** The whole numbers below `length`, in order. */
export const upTo = (length: number): number[] => Array.from({ length }, (_, i) => i);
