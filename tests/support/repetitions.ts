// How often a test repeats its attack, and with which luck: as written in `npm test`, longer in a
// soak. The seed is printed, so that a failure can be tried again.

/** `usual` times, or as often as HOLDFAST_REPETITIONS says. */
export const repetitions = (usual: number): number =>
  Number(process.env.HOLDFAST_REPETITIONS ?? usual);

/** Other luck each time; the same with HOLDFAST_SEED. */
export function seedOfRun(): number {
  const seed = Number(process.env.HOLDFAST_SEED ?? Date.now() % 1_000_000_000);
  process.stdout.write(`HOLDFAST_SEED=${seed}\n`);
  return seed;
}
