// For what mostly waits: two of it at a time, as there are two cores.

/**
 * What each of them gave. Where one fails, the others are waited for all the same, so that what
 * they started is ended; then the first failure is thrown.
 */
export async function sideBySide<T>(deeds: readonly (() => Promise<T>)[]): Promise<readonly T[]> {
  const outcomes = await Promise.allSettled(deeds.map((deed) => deed()));
  return outcomes.map((outcome) => {
    if (outcome.status === 'rejected') throw outcome.reason;
    return outcome.value;
  });
}

/** Dealt out in turn, as cards are. */
export function dealt<T>(all: readonly T[], hands: number): readonly (readonly T[])[] {
  return Array.from({ length: hands }, (_, hand) => all.filter((_, at) => at % hands === hand));
}
