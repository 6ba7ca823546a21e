// The unit that every disk writes whole: the ground on which a torn write can be told from rot.

/** Axiom: a sector is written as a whole or not at all (docs/axioms.md, safety.md 3). */
export const sectorBytes = 512;
