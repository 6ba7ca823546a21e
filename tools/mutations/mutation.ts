// A rule broken on purpose in the text of one or two source files. Owns the shape, and the check
// that such a text still stands where it is said to stand.

export type Edit = {
  readonly file: string;
  /** Stands in the file exactly once. */
  readonly find: string;
  readonly replace: string;
};

export type Mutation = {
  readonly name: string;
  /** What the broken member does, in a sentence. */
  readonly does: string;
  /** The rule of docs/invariants.md, or the section of the thesis, that it breaks. */
  readonly rule: string;
  /** More than one where two places keep the rule, each alone. */
  readonly edits: readonly Edit[];
};

/** The text with the edit done. Throws where the text to replace stands not exactly once. */
export function editText(text: string, { file, find, replace }: Edit): string {
  const [before, after, ...more] = text.split(find);
  if (before === undefined || after === undefined || more.length > 0) {
    const times = after === undefined ? 'not there' : `there ${more.length + 1} times`;
    throw new Error(`${file}: the text to replace is ${times}:\n${find}`);
  }
  return before + replace + after;
}
