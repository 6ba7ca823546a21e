// Heads and ends of answers: literals that no table keeps (RFC 7541, 6.2.2), so that a block is the
// same bytes whenever it is sent, and is made once.

/** In the static table: those fields that answers have. */
const staticNames: Readonly<Record<string, number>> = { ':status': 8, 'content-type': 31 };
/** `:status: 200` as a whole. */
const statusOk = 0x88;

/** Names in lower case, values of single bytes each. */
export function encodeHeaders(fields: readonly (readonly [string, string])[]): Uint8Array {
  return Buffer.concat(fields.map(([name, value]) => encodeField(name, value)));
}

function encodeField(name: string, value: string): Uint8Array {
  if (name === ':status' && value === '200') return Uint8Array.of(statusOk);
  const index = staticNames[name];
  if (index !== undefined) return Buffer.concat([integer(index, 0x0f), text(value)]);
  return Buffer.concat([Uint8Array.of(0), text(name), text(value)]);
}

function text(value: string): Uint8Array {
  return Buffer.concat([integer(value.length, 0x7f), Buffer.from(value, 'latin1')]);
}

/** With a first byte of so many ones at the most (section 5.1). */
function integer(value: number, mask: number): Uint8Array {
  if (value < mask) return Uint8Array.of(value);
  const bytes = [mask];
  let rest = value - mask;
  for (; rest >= 0x80; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return Uint8Array.from([...bytes, rest]);
}
