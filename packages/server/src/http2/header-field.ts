// One field of the head of a call. Whether it is one that may be (RFC 9113, 8.2) is found out once:
// the tables of a connection keep fields, and calls name them again and again.

export type FieldKind =
  /** Names what is called: `:method` and the like. */
  | 'pseudo'
  | 'regular'
  /** May not be: the call is refused. */
  | 'malformed';

/** Of each entry of a table, beside its texts (RFC 7541, 4.1). */
const entryBytes = 32;

export class HeaderField {
  readonly name: string;
  readonly value: string;
  /** As it counts for tables and bounds. */
  readonly bytes: number;
  readonly kind: FieldKind;

  constructor(name: string, value: string) {
    this.name = name;
    this.value = value;
    this.bytes = name.length + value.length + entryBytes;
    this.kind = kindOf(name, value);
  }
}

const pseudoNames: readonly string[] = [':method', ':scheme', ':path', ':authority'];
/** They speak of a connection of HTTP/1.1 (section 8.2.2). */
const connectionNames: readonly string[] = [
  'connection',
  'proxy-connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
];

const namePattern = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const forbiddenInValue = /[\0\r\n]|^[ \t]|[ \t]$/;

function kindOf(name: string, value: string): FieldKind {
  if (forbiddenInValue.test(value)) return 'malformed';
  if (name.startsWith(':')) return pseudoNames.includes(name) ? 'pseudo' : 'malformed';
  if (!namePattern.test(name) || connectionNames.includes(name)) return 'malformed';
  return name === 'te' && value !== 'trailers' ? 'malformed' : 'regular';
}
