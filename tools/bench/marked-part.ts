// The part of a document that a tool writes, between two marks that stand in it.

/** The document with that part in its place, and nothing else changed. */
export function withMarkedPart(document: string, name: string, part: string): string {
  const [begin, end] = [`<!-- ${name} begin -->`, `<!-- ${name} end -->`];
  const lo = document.indexOf(begin);
  const hi = document.indexOf(end);
  if (lo < 0 || hi < lo) throw new Error(`the document has no place for ${name}`);
  return `${document.slice(0, lo + begin.length)}\n\n${part}\n${document.slice(hi)}`;
}
