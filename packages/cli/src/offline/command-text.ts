// A command of the log in one line for people: keys readable, values counted, or cut when they are
// asked for. Pure.
import { formatId } from '@holdfast/base/ids';
import type { Command, DeleteRangeRequest, RequestOp, TxnRequest } from '@holdfast/proto/internal';

export type TextOptions = {
  /** Values as well, each cut to this many bytes; undefined: their length alone. */
  readonly valueBytesMax: number | undefined;
};

const keyBytesMax = 120;
const operationsMax = 6;

type Request = NonNullable<Command['request']>;

export function commandText(request: Request, options: TextOptions): string {
  switch (request.$case) {
    case 'put':
    case 'deleteRange':
    case 'txn':
      return operationText({ request }, options);
    case 'compact':
      return `compact ${request.value.revision}`;
    case 'bindMember': {
      const { name, memberId, storeId, version } = request.value;
      const who = `${name} (${formatId(memberId)})`;
      return `bind-member ${who} to store ${formatId(storeId)}, version ${version}`;
    }
    case 'clusterVersion':
      return `cluster-version ${request.value.version}`;
    default:
      return `${kebab(request.$case)} ${factsOf(request.value)}`;
  }
}

function operationText({ request }: RequestOp, options: TextOptions): string {
  switch (request?.$case) {
    case 'range':
      return `range ${keyText(request.value)}`;
    case 'put': {
      const { value, lease } = request.value;
      const leased = lease === 0n ? '' : ` lease ${lease}`;
      return `put ${keyText(request.value)}${leased} ${valueText(value, options)}`;
    }
    case 'deleteRange':
      return `delete ${keyText(request.value)}`;
    case 'txn':
      return txnText(request.value, options);
    case undefined:
      return 'nothing';
  }
}

function txnText({ compare, success, failure }: TxnRequest, options: TextOptions): string {
  const branch = (operations: readonly RequestOp[]): string => {
    const shown = operations.slice(0, operationsMax).map((one) => operationText(one, options));
    const more = operations.length - shown.length;
    return `[${[...shown, ...(more > 0 ? [`${more} more`] : [])].join(', ')}]`;
  };
  const otherwise = failure.length === 0 ? '' : ` else ${branch(failure)}`;
  return `txn if ${compare.length} hold ${branch(success)}${otherwise}`;
}

type KeyRange = Pick<DeleteRangeRequest, 'keyspace' | 'key'> & { readonly rangeEnd?: Uint8Array };

/** `2:"a"`, `2:"a".."b"`, or `2:"a".. ` for all keys from there on. */
function keyText({ keyspace, key, rangeEnd }: KeyRange): string {
  const from = `${keyspace}:${bytesText(key, keyBytesMax)}`;
  if (rangeEnd === undefined || rangeEnd.length === 0) return from;
  if (rangeEnd.length === 1 && rangeEnd[0] === 0) return `${from}..`;
  return `${from}..${bytesText(rangeEnd, keyBytesMax)}`;
}

function valueText(value: Uint8Array, { valueBytesMax }: TextOptions): string {
  if (valueBytesMax === undefined) return `(${value.length} bytes)`;
  return `= ${bytesText(value, valueBytesMax)}`;
}

/** Quoted; what is no plain text is escaped byte by byte, and what is too long is cut. */
export function bytesText(bytes: Uint8Array, bytesMax: number): string {
  const shown = bytes.subarray(0, bytesMax);
  const more = bytes.length > bytesMax ? ` and ${bytes.length - bytesMax} bytes` : '';
  return `"${plainText(shown) ?? escaped(shown)}"${more}`;
}

function plainText(bytes: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return /[\p{Cc}\p{Cf}"\\]/u.test(text) ? undefined : text;
  } catch {
    return undefined; // Not UTF-8.
  }
}

const escaped = (bytes: Uint8Array): string =>
  [...bytes]
    .map((byte) => {
      const isPlain = byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c;
      if (isPlain) return String.fromCharCode(byte);
      return byte === 0 ? '\\0' : `\\x${byte.toString(16).padStart(2, '0')}`;
    })
    .join('');

const kebab = (name: string): string =>
  name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

const factsOf = (value: object): string =>
  JSON.stringify(value, (_, one: unknown) => (typeof one === 'bigint' ? one.toString() : one));
