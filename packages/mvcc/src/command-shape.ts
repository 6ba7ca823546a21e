// Tells a command that a newer version wrote from one that is merely malformed. Both decode to a
// oneof with nothing set; only the first carries a field number that this version does not know.
// The first stops the member (what the others apply is never skipped), the second is the door's
// mistake and has a result like any other error.
import type { Command, RequestOp, TxnRequest } from '@holdfast/proto/internal';

/** Field number to the message that stands in it; undefined = anything that is no message. */
type Shape = ReadonlyMap<number, Shape | undefined>;

const leaf = (fields: number): Map<number, Shape | undefined> =>
  new Map(Array.from({ length: fields }, (_, n) => [n + 1, undefined]));

const requestOpShape = leaf(4);
const txnShape: Shape = new Map([
  [1, leaf(9)],
  [2, requestOpShape],
  [3, requestOpShape],
]);
const commandShape: Shape = leaf(16).set(3, txnShape).set(18, undefined).set(19, undefined);
requestOpShape.set(4, txnShape);

/** Whether a oneof of the command, or of a transaction in it, is not set. */
export function hasMissingCase(command: Command): boolean {
  const request = command.request;
  if (!request) return true;
  return request.$case === 'txn' && txnHasMissingCase(request.value);
}

function txnHasMissingCase(txn: TxnRequest): boolean {
  return (
    txn.compare.some((compare) => !compare.target) ||
    txn.success.some(opHasMissingCase) ||
    txn.failure.some(opHasMissingCase)
  );
}

function opHasMissingCase(op: RequestOp): boolean {
  if (!op.request) return true;
  return op.request.$case === 'txn' && txnHasMissingCase(op.request.value);
}

/** Whether the encoded command is well formed and holds a field that this version does not know. */
export function hasUnknownField(body: Uint8Array): boolean {
  try {
    return new FieldScanner(body).hasUnknown(body.length, commandShape);
  } catch (error) {
    if (!(error instanceof MalformedField)) throw error;
    return false; // Not well formed, so nothing that a newer version wrote.
  }
}

class MalformedField extends Error {}

/** Walks protobuf's wire format: https://protobuf.dev/programming-guides/encoding */
class FieldScanner {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  hasUnknown(end: number, shape: Shape): boolean {
    let unknown = false;
    while (this.#at < end) {
      const tag = this.#varint();
      const field = Math.floor(tag / 8);
      if (field === 0) throw new MalformedField();
      if (!shape.has(field)) unknown = true;
      const inner = tag % 8 === 2 ? shape.get(field) : undefined;
      if (inner) unknown = this.hasUnknown(this.#lengthEnd(), inner) || unknown;
      else this.#skip(tag % 8);
    }
    if (this.#at !== end) throw new MalformedField();
    return unknown;
  }

  #skip(wireType: number): void {
    if (wireType === 0) this.#varint();
    else if (wireType === 1) this.#at += 8;
    else if (wireType === 2) this.#at = this.#lengthEnd();
    else if (wireType === 5) this.#at += 4;
    else throw new MalformedField();
  }

  #lengthEnd(): number {
    const length = this.#varint();
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new MalformedField();
    return end;
  }

  #varint(): number {
    let value = 0;
    for (let scale = 1, count = 0; count < 10; scale *= 128, count += 1) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined) throw new MalformedField();
      this.#at += 1;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    throw new MalformedField();
  }
}
