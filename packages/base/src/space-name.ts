// What a namespace or a group of configurations may be called. The rule stands here because it is
// asked for at the doors and again at apply, where all members must come to the same answer: it
// rests on nothing that changes between versions of Unicode.
import { utf8 } from './bytes.ts';

/** Bytes of UTF-8. */
export const spaceNameBytesMax = 256;

/** What is wrong with it, to be said after what it names; undefined: nothing. */
export function spaceNameFault(name: string): string | undefined {
  const fault = textFault(name, spaceNameBytesMax);
  if (fault !== undefined) return fault;
  if (name === '') return 'must not be empty';
  if (name.includes('/')) return 'must not contain a slash';
  return name === '.' || name === '..' ? `must not be "${name}"` : undefined;
}

/** The same of any text that is part of a name. */
export function textFault(text: string, bytesMax: number): string | undefined {
  if (/\p{Cc}/u.test(text)) return 'must not contain control characters';
  if (/\p{Cs}/u.test(text)) return 'must be well-formed Unicode';
  const bytes = utf8(text).length;
  return bytes > bytesMax ? `has ${bytes} bytes; at most ${bytesMax} are taken` : undefined;
}
