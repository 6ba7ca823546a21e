// The contract of every format: a pure function from text to its first fault. A checker must answer
// for any text of up to 1 MiB within the time that the event loop may be held, and must never use
// up the stack: depth is bounded before anything recurses (V8 ends the process when a regular
// expression is compiled on a stack that is nearly full, and no `catch` sees that).

/**
 * Where and why a document does not parse. Lines and columns count from 1, columns in characters.
 */
export type FormatFault = {
  readonly line: number;
  readonly column: number;
  readonly reason: string;
};

/** Undefined: the text is a document of the format. A byte order mark is already taken away. */
export type FormatChecker = (text: string) => FormatFault | undefined;

/** Collections inside collections, in any format. Deeper documents are refused, parsable or not. */
export const nestingMax = 200;

export const nestingReason = `nested deeper than ${nestingMax} levels`;

/** The fault at a character offset of `text`. */
export function faultAt(text: string, offset: number, reason: string): FormatFault {
  const at = Math.max(0, Math.min(offset, text.length));
  let line = 1;
  let lineStart = 0;
  for (let end = text.indexOf('\n'); end >= 0 && end < at; end = text.indexOf('\n', end + 1)) {
    line += 1;
    lineStart = end + 1;
  }
  return { line, column: at - lineStart + 1, reason };
}
