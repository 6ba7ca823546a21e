/** JSON holds no bytes: text as it is where it is text, else base64 under its own name. */
export function textOrBase64(content: Uint8Array): string | { readonly base64: string } {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content);
  } catch {
    return { base64: Buffer.from(content).toString('base64') }; // Not UTF-8.
  }
}
