// Where a listing of configurations goes on: the revision at which it began, so that its pages fit
// together whatever is written meanwhile, and the last item given. Opaque to clients.
import { HoldfastError } from '@holdfast/base/errors';
import { type Revision, revision } from '@holdfast/base/ids';
import { type ConfigKey, configKey } from '@holdfast/domain/config-key';

export type ConfigCursor = { readonly revision: Revision; readonly after: ConfigKey };

export function encodeConfigCursor(cursor: ConfigCursor): string {
  const { namespace, group, name } = cursor.after;
  const parts = [namespace, group, name].map((part) =>
    encodeURIComponent(part).replaceAll('~', '%7E'),
  );
  return [cursor.revision, ...parts].join('~');
}

/** Throws `invalid-argument` for what no listing gave out. */
export function decodeConfigCursor(text: string): ConfigCursor {
  const [at = '', ...parts] = text.split('~');
  const [namespace, group, name] = parts.map(decodePart);
  const number = /^\d{1,15}$/.test(at) ? Number(at) : 0;
  if (number === 0 || namespace === undefined || group === undefined || name === undefined) {
    throw new HoldfastError('invalid-argument', 'the cursor is not one that a listing gave out');
  }
  return { revision: revision(number), after: configKey(namespace, group, name) };
}

function decodePart(part: string): string | undefined {
  try {
    return decodeURIComponent(part);
  } catch {
    return undefined; // Not well-formed: the caller refuses the whole cursor.
  }
}
