// JSON as in RFC 8259, strictly: no comments, no trailing commas. The engine's own parser decides;
// since it does not tell the place of a fault, a walk over the tokens finds it, without recursion.
import { assert } from '@holdfast/base/assert';
import { type FormatFault, faultAt, nestingMax, nestingReason } from './format-checker.ts';

/** What may stand next. `end` is behind the document's value. */
type Expected = 'value' | 'first-item' | 'first-key' | 'key' | 'colon' | 'separator' | 'end';

const space = /[ \t\n\r]*/y;
/** Between its quotes: all from the space on but quote and backslash, and the known escapes. */
const string = /"(?:[ !#-[\]-\uffff]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const scalar = /(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.+-])/y;

export function checkJson(text: string): FormatFault | undefined {
  if (parses(text)) {
    const tooDeepAt = findTooDeep(text);
    return tooDeepAt === undefined ? undefined : faultAt(text, tooDeepAt, nestingReason);
  }
  return new JsonWalk(text).firstFault();
}

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false; // Not JSON is an answer here, not a failure.
  }
}

/** The offset of the bracket that is one too deep, in a text that is JSON. */
function findTooDeep(text: string): number | undefined {
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at];
    if (character === '"') at = endOfString(text, at);
    else if (character === '{' || character === '[') depth += 1;
    else if (character === '}' || character === ']') depth -= 1;
    if (depth > nestingMax) return at;
  }
  return undefined;
}

function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at;
}

class JsonWalk {
  readonly #text: string;
  readonly #open: ('{' | '[')[] = [];
  #at = 0;
  #expected: Expected = 'value';

  constructor(text: string) {
    this.#text = text;
  }

  firstFault(): FormatFault {
    for (;;) {
      this.#skip(space);
      if (this.#at >= this.#text.length) return this.#fault(this.#endReason());
      const reason = this.#step(this.#text[this.#at] as string);
      if (reason !== undefined) return this.#fault(reason);
    }
  }

  /** Takes one token in, or answers why it may not stand here. */
  #step(character: string): string | undefined {
    switch (this.#expected) {
      case 'first-item':
        return character === ']' ? this.#close('[') : this.#value(character);
      case 'value':
        return this.#value(character);
      case 'first-key':
        return character === '}' ? this.#close('{') : this.#key(character);
      case 'key':
        return this.#key(character);
      case 'colon':
        return this.#punctuation(character, ':', 'value');
      case 'separator':
        return this.#separator(character);
      case 'end':
        return 'nothing may follow the value';
    }
  }

  #value(character: string): string | undefined {
    if (character === '{' || character === '[') {
      if (this.#open.length === nestingMax) return nestingReason;
      this.#open.push(character);
      this.#expected = character === '{' ? 'first-key' : 'first-item';
      this.#at += 1;
      return undefined;
    }
    if (character === '"') return this.#string();
    if (!this.#skip(scalar)) return 'a value is expected';
    this.#afterValue();
    return undefined;
  }

  #string(): string | undefined {
    if (!this.#skip(string)) return this.#stringReason();
    this.#afterValue();
    return undefined;
  }

  #key(character: string): string | undefined {
    if (character !== '"') return 'a property name in double quotes is expected';
    if (!this.#skip(string)) return this.#stringReason();
    this.#expected = 'colon';
    return undefined;
  }

  #separator(character: string): string | undefined {
    const inObject = this.#open.at(-1) === '{';
    if (character === (inObject ? '}' : ']')) return this.#close(inObject ? '{' : '[');
    return this.#punctuation(character, ',', inObject ? 'key' : 'value');
  }

  #punctuation(character: string, wanted: ',' | ':', next: Expected): string | undefined {
    if (character !== wanted) return `"${wanted}" is expected`;
    this.#at += 1;
    this.#expected = next;
    return undefined;
  }

  #close(opened: '{' | '['): undefined {
    assert(this.#open.pop() === opened, 'what is closed was opened');
    this.#at += 1;
    this.#afterValue();
    return undefined;
  }

  #afterValue(): void {
    this.#expected = this.#open.length > 0 ? 'separator' : 'end';
  }

  #stringReason(): string {
    const end = endOfString(this.#text, this.#at);
    return end >= this.#text.length ? 'the string does not end' : 'malformed string';
  }

  #endReason(): string {
    return this.#text.trim() === '' ? 'an empty text is not JSON' : 'the text ends too early';
  }

  #skip(token: RegExp): boolean {
    token.lastIndex = this.#at;
    if (!token.test(this.#text)) return false;
    this.#at = token.lastIndex;
    return true;
  }

  #fault(reason: string): FormatFault {
    return faultAt(this.#text, this.#at, reason);
  }
}
