// For tests of what happens when memory fails: turns one bit of a value that lies in this member's
// memory. It is there only in a process that was started with the variable below, says so in its
// log, stands in no description of the interface, and listens to this very machine alone.
import { HoldfastError } from '@holdfast/base/errors';
import type { EmbeddedEngine } from '@holdfast/engine/embedded-engine';
import type { FastifyInstance } from 'fastify';
import { type Static, Type } from 'typebox';

import type { Log } from '../log.ts';

export const flipVariable = 'UNSAFE_HOLDFAST_TEST_FLIP_MEMORY';

const bodySchema = Type.Object({
  keyspace: Type.Integer({ minimum: 1 }),
  key: Type.String(),
  bit: Type.Integer({ minimum: 0 }),
});

export type FlipRouteOptions = {
  readonly engine: () => EmbeddedEngine | undefined;
  readonly log: Pick<Log, 'warn'>;
};

export function flipRoute(app: FastifyInstance, { engine, log }: FlipRouteOptions): void {
  log.warn(`${flipVariable} is set: whoever is on this machine can spoil the memory`);
  app.post<{ Body: Static<typeof bodySchema> }>(
    '/v1/test/flip-memory',
    { schema: { hide: true, body: bodySchema } },
    (request) => {
      if (!isOwn(request.raw.socket.remoteAddress)) {
        throw new HoldfastError(
          'permission-denied',
          'memory is spoiled from its own machine alone',
        );
      }
      const { keyspace, key, bit } = request.body;
      const flipped = engine()?.store.spoil(keyspace, Buffer.from(key), bit) ?? false;
      return { flipped };
    },
  );
}

const isOwn = (address: string | undefined): boolean =>
  address === '::1' || /^(::ffff:)?127\.\d+\.\d+\.\d+$/.test(address ?? '');
