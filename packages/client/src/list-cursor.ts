// Where the next page of a listing begins, as text: the revision of the first page and the key. The
// HTTP API writes it alike, so that a listing may go on over either.

export type ListCursor = { readonly revision: number; readonly from: Uint8Array };

export function encodeCursor({ revision, from }: ListCursor): string {
  const key = Buffer.from(from).toString('hex');
  return Buffer.from(`${revision}:${key}`).toString('base64url');
}

/** Undefined: no list gave it. */
export function decodeCursor(text: string): ListCursor | undefined {
  const parts = /^(\d{1,15}):((?:[0-9a-f]{2})+)$/.exec(Buffer.from(text, 'base64url').toString());
  if (parts === null) return undefined;
  return { revision: Number(parts[1]), from: Buffer.from(parts[2] as string, 'hex') };
}
