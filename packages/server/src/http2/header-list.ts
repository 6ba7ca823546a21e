// The head of a call as it was read: its fields in order, and what they come to. It is never
// changed, so that calls whose heads are the same share it.
import type { HeaderField } from './header-field.ts';

/** Of all fields of a list, as tables count them (RFC 9113, 6.5.2). */
export const listBytesMax = 16 * 1024;

export class HeaderList {
  readonly fields: readonly HeaderField[];
  /** As tables count them; beyond `listBytesMax`, the fields are left out. */
  readonly bytes: number;
  #isRequest: boolean | undefined;
  /** Null: not looked for yet. */
  #contentLength: number | undefined | null = null;

  constructor(fields: readonly HeaderField[], bytes: number) {
    this.fields = fields;
    this.bytes = bytes;
  }

  get isTooLarge(): boolean {
    return this.bytes > listBytesMax;
  }

  /** May begin a call (section 8.3.1). */
  get isRequest(): boolean {
    this.#isRequest ??= beginsCall(this.fields);
    return this.#isRequest;
  }

  /** What the client says that it will say; NaN: nothing that can be. */
  get contentLength(): number | undefined {
    if (this.#contentLength === null) {
      const text = this.get('content-length');
      this.#contentLength = text === undefined ? undefined : lengthOf(text);
    }
    return this.#contentLength;
  }

  /** May end what a client says (section 8.1). */
  get isTrailers(): boolean {
    return this.fields.every(({ kind }) => kind === 'regular');
  }

  /** The first value by a name in lower case. */
  get(name: string): string | undefined {
    for (const field of this.fields) if (field.name === name) return field.value;
    return undefined;
  }
}

/** Each of its pseudo-fields once, and before the others. */
function beginsCall(fields: readonly HeaderField[]): boolean {
  const seen = new Set<string>();
  let hasRegular = false;
  for (const { kind, name } of fields) {
    if (kind === 'malformed') return false;
    if (kind === 'regular') {
      hasRegular = true;
      continue;
    }
    if (hasRegular || seen.has(name)) return false;
    seen.add(name);
  }
  return seen.has(':method') && seen.has(':scheme') && seen.has(':path');
}

const lengthOf = (text: string): number => (/^\d{1,15}$/.test(text) ? Number(text) : Number.NaN);
