// Java properties (java.util.Properties.load). Nearly every text is one; what Java refuses is a \u
// that four hexadecimal digits do not follow. Comment lines are not read for escapes.
import { type FormatFault, faultAt } from './format-checker.ts';

const wellFormedUnicode = /^[0-9a-fA-F]{4}$/;

export function checkProperties(text: string): FormatFault | undefined {
  for (let start = 0; start < text.length; ) {
    const line = logicalLine(text, start);
    if (line.badEscapeAt !== undefined) {
      return faultAt(text, line.badEscapeAt, '\\u needs four hexadecimal digits');
    }
    start = line.end;
  }
  return undefined;
}

/**
 * From `start` to behind the line end that no backslash escapes; a comment ends at its first one.
 */
function logicalLine(
  text: string,
  start: number,
): { readonly end: number; readonly badEscapeAt: number | undefined } {
  const isComment = commentBegins(text, start);
  for (let at = start; at < text.length; at += 1) {
    const character = text[at];
    if (character === '\n' || character === '\r') return { end: at + 1, badEscapeAt: undefined };
    if (character !== '\\' || isComment) continue;
    if (text[at + 1] === 'u' && !wellFormedUnicode.test(text.slice(at + 2, at + 6))) {
      return { end: at, badEscapeAt: at };
    }
    at += text.startsWith('\r\n', at + 1) ? 2 : 1;
  }
  return { end: text.length, badEscapeAt: undefined };
}

function commentBegins(text: string, start: number): boolean {
  let at = start;
  while (text[at] === ' ' || text[at] === '\t' || text[at] === '\f') at += 1;
  return text[at] === '#' || text[at] === '!';
}
