// Schemas that several groups of routes name in their descriptions.
import { formatId } from '@holdfast/base/ids';
import type { PeerStatus } from '@holdfast/engine/engine';
import { type TSchema, Type } from 'typebox';

import { readParameters } from './call-options.ts';

export const problemSchema = Type.Object(
  {
    type: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String({ description: 'what happened, what it means, what to do' }),
    code: Type.String({ description: 'from a closed list: the part that programs rely on' }),
    outcome: Type.String({ description: 'of a write: not-applied, applied or unknown' }),
    retryable: Type.Boolean(),
  },
  { description: 'RFC 9457; more members by code (missingVoters, limitBytes, compactRevision)' },
);

const described: Readonly<Record<string, string>> = {
  consistency: 'linearizable (default), bounded (with max-age-ms) or stale',
  'max-age-ms': 'how old the answer may be',
  'min-revision': 'wait until this member has applied that revision (read your writes)',
  prefix: 'keys that begin so; empty = all',
  limit: 'items on a page',
  cursor: 'next of the page before',
  'keys-only': 'without values',
  key: 'one key',
  revision: 'a revision of the store',
  format: 'raw (default) or json',
  prev: 'with what stood there before',
  lease: 'the lease that the key hangs on, as decimal digits',
  keys: 'with the keys that hang on it',
  serializable: 'true: of this member alone, whoever leads',
  exclude: 'an alarm that is not heeded: NOSPACE or CORRUPT; may stand there twice',
};

/** Query parameters for the OpenAPI document; routes read them themselves (`call-options.ts`). */
export const querySchema = (names: readonly string[]) =>
  Type.Object(
    Object.fromEntries(
      names.map((name) => [
        name,
        Type.Optional(Type.String({ description: described[name] ?? name })),
      ]),
    ),
  );

export const readQuerySchema = (names: readonly string[] = []) =>
  querySchema([...readParameters, ...names]);

/** For the OpenAPI document; routes read them themselves (`call-options.ts`). */
export const sessionHeadersSchema = Type.Object({
  'Holdfast-Session': Type.Optional(Type.String({ description: 'see POST /v1/sessions' })),
  'Holdfast-Sequence': Type.Optional(
    Type.String({ description: 'of this write in its session, from 1; the same when repeated' }),
  ),
  'Holdfast-Lowest-Pending': Type.Optional(
    Type.String({ description: 'answers below are forgotten; default: 63 below the sequence' }),
  ),
});

export const idParamsSchema = Type.Object({ id: Type.String({ description: 'decimal' }) });

/** The answer of a good call, and the problem of any other. */
export const responses = (good: TSchema) => ({ 200: good, default: problemSchema });

export const keyParamsSchema = Type.Object({
  key: Type.String({ description: 'one path segment; a slash in it is %2F' }),
});

/** A member of the configuration, and where it is. */
export const memberFields = {
  id: Type.String(),
  name: Type.String(),
  role: Type.String(),
  peerAddresses: Type.Array(Type.String()),
  clientAddresses: Type.Array(Type.String()),
};

export const memberFieldsOf = (peer: PeerStatus) => ({
  id: formatId(peer.memberId),
  name: peer.name,
  role: peer.role,
  peerAddresses: [...peer.peerAddresses],
  clientAddresses: [...peer.clientAddresses],
});
