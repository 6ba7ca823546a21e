// The JSON of a change on the event stream, and what the SDK makes of it. Everything else is the
// same on the wire and in the SDK.
import type { ConfigChange, ConfigId, ConfigVersion } from './config-api.ts';

/** One of the two contents, or none. */
export type ConfigEventView = ConfigId &
  ConfigVersion & { readonly content?: string; readonly contentBase64?: string };

export function changeOf(view: ConfigEventView): ConfigChange {
  const { content: _text, contentBase64: _bytes, ...change } = view;
  return { ...change, content: contentOf(view) };
}

function contentOf({ content, contentBase64 }: ConfigEventView): Uint8Array | undefined {
  if (content !== undefined) return new TextEncoder().encode(content);
  return contentBase64 === undefined ? undefined : Buffer.from(contentBase64, 'base64');
}
