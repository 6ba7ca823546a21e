// Plain data as JSON text and back: what JSON has no word for (bigints, bytes, infinities) goes
// under a tag. For recordings; a missing field and an undefined one are the same.

type Tagged =
  | { readonly $bigint: string }
  | { readonly $bytes: string }
  | { readonly $number: string };

export const toTaggedJson = (value: unknown): string => JSON.stringify(value, tag);

/** Throws SyntaxError on what is no JSON. */
export const fromTaggedJson = (text: string): unknown => JSON.parse(text, untag);

function tag(_name: string, value: unknown): unknown {
  if (typeof value === 'bigint') return { $bigint: value.toString() } satisfies Tagged;
  if (typeof value === 'number' && !Number.isFinite(value)) {
    return { $number: String(value) } satisfies Tagged;
  }
  if (!(value instanceof Uint8Array)) return value;
  const bytes = Array.from(value, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return { $bytes: bytes } satisfies Tagged;
}

function untag(_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const tagged = value as { $bigint?: string; $number?: string; $bytes?: string };
  if (tagged.$bigint !== undefined) return BigInt(tagged.$bigint);
  if (tagged.$number !== undefined) return Number(tagged.$number);
  if (tagged.$bytes === undefined) return value;
  const pairs = tagged.$bytes.match(/../g) ?? [];
  return Uint8Array.from(pairs, (pair) => Number.parseInt(pair, 16));
}
