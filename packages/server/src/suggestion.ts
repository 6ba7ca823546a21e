// "Did you mean": the known word that a misspelt one is nearest to.

/** Undefined if none is near: a wild guess helps nobody. */
export function suggestionFor(word: string, known: readonly string[]): string | undefined {
  const limit = Math.max(1, Math.floor(word.length / 3));
  let best: { readonly word: string; readonly distance: number } | undefined;
  for (const one of known) {
    const distance = editDistance(word.toLowerCase(), one.toLowerCase());
    if (distance <= limit && (!best || distance < best.distance)) best = { word: one, distance };
  }
  return best?.word;
}

/** Levenshtein's: letters added, left out or changed. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const changed = (previous[column - 1] as number) + Number(a[row - 1] !== b[column - 1]);
      const added = (current[column - 1] as number) + 1;
      const left = (previous[column] as number) + 1;
      current.push(Math.min(changed, added, left));
    }
    previous = current;
  }
  return previous[b.length] as number;
}
