// What a client that speaks frames is told where its connection cannot do what it asks for.
import { HoldfastError } from '@holdfast/base/errors';
import type { Response } from '@holdfast/proto/client';
import { clientProtocolVersion } from '@holdfast/transport/frame';

import { failureOf } from './frame-call.ts';

export const tooMany = (inFlightMax: number): HoldfastError =>
  new HoldfastError(
    'resource-exhausted',
    `${inFlightMax} requests of this connection are under way: wait for answers first`,
  );

export const unread = (bytes: number): HoldfastError =>
  new HoldfastError(
    'resource-exhausted',
    `${bytes} bytes of answers wait to be read on this connection: read them first`,
  );

export const tooLong = (id: number, size: number): Response =>
  failureOf(
    id,
    new HoldfastError('too-large', `the answer has ${size} bytes: ask for less at a time`, {
      outcome: 'unknown',
    }),
  );

export const otherVersion = (version: number): HoldfastError =>
  new HoldfastError(
    'version-mismatch',
    `the client speaks protocol version ${version}, this member ${clientProtocolVersion}`,
  );
