// `GET /v1/backup`: the whole state of this member as a backup file, while writes go on. Pulled
// block by block as the socket takes them: a slow reader costs a few blocks of memory, and one that
// takes nothing for a while loses its backup.
import type { ServerResponse } from 'node:http';

import { startDeadline, waitFor } from '@holdfast/base/deadline';
import { HoldfastError, isHoldfastError, messageOf } from '@holdfast/base/errors';
import { formatId } from '@holdfast/base/ids';
import type { OpenBackup } from '@holdfast/engine/backups';
import type { EmbeddedEngine } from '@holdfast/engine/embedded-engine';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

import type { Log } from '../log.ts';
import { withCall } from './call.ts';
import type { HttpContext } from './http-context.ts';
import { problemSchema, readQuerySchema } from './schemas.ts';

export type BackupRouteOptions = {
  /** Undefined while there is none. */
  readonly engine: () => Pick<EmbeddedEngine, 'backups'> | undefined;
  readonly log: Pick<Log, 'info' | 'warn'>;
};

/** Two blocks are made ahead of the socket. */
const aheadBytesMax = 512 * 1024;
/** A reader that does not take those in so long is taken for dead. */
const stuckMs = 30_000;

export function backupRoutes(
  app: FastifyInstance,
  context: HttpContext,
  options: BackupRouteOptions,
): void {
  app.get(
    '/v1/backup',
    {
      schema: {
        tags: ['backup'],
        summary: 'The whole state as a backup file',
        description:
          'Consistent at one revision, which X-Holdfast-Revision tells; a stream of octets that ' +
          'is whole only if it ends with its footer: keep it only if `holdfast verify` says so.',
        querystring: readQuerySchema(),
        response: { default: problemSchema },
      },
    },
    (request, reply) => sendBackup(context, { request, reply }, options),
  );
}

type Ends = { readonly request: FastifyRequest; readonly reply: FastifyReply };

async function sendBackup(
  context: HttpContext,
  { request, reply }: Ends,
  { engine, log }: BackupRouteOptions,
): Promise<void> {
  const gone = new AbortController();
  const response = reply.raw;
  response.once('close', () => gone.abort(readerGone()));
  const backup = await withCall(context, { request }, async (call) => {
    const found = context.slot.engine && engine();
    if (!found) throw new HoldfastError('unavailable', 'this member is starting');
    log.info({ actor: call.actor }, 'a backup was asked for');
    // Its own end is not that of the call, which is only waited for.
    const signal = AbortSignal.any([gone.signal, call.signal]);
    return await found.backups.open({ ...call.read, signal }, gone.signal);
  });
  reply.hijack();
  await new BackupSending(context, { response, backup, gone, log }).run();
}

const readerGone = (): HoldfastError =>
  new HoldfastError('cancelled', 'whoever read the backup has gone');

type Sending = {
  readonly response: ServerResponse;
  readonly backup: OpenBackup;
  readonly gone: AbortController;
  readonly log: BackupRouteOptions['log'];
};

class BackupSending {
  readonly #context: HttpContext;
  readonly #sending: Sending;
  /** Handed to the socket, and not taken by it. */
  #aheadBytes = 0;
  #wake = (): void => undefined;

  constructor(context: HttpContext, sending: Sending) {
    this.#context = context;
    this.#sending = sending;
  }

  /** Never rejects: whoever reads learns of a failure by an end without a footer. */
  async run(): Promise<void> {
    const { response, backup, gone, log } = this.#sending;
    const { revision } = backup.head;
    const end = (reason: HoldfastError): void => gone.abort(reason);
    this.#context.streams.add(end);
    try {
      this.#begin();
      await this.#sendPieces();
      response.end();
      log.info({ revision }, 'a backup was sent');
    } catch (error) {
      const reason = gone.signal.aborted ? gone.signal.reason : error;
      log.warn({ revision, reason: messageOf(reason) }, 'a backup was broken off');
      if (!isHoldfastError(reason)) this.#context.onFault(reason, '/v1/backup');
      response.destroy();
    } finally {
      this.#context.streams.delete(end);
      await backup.close();
    }
  }

  /** The last piece makes it whole: it leaves when all others were taken, of a sound state. */
  async #sendPieces(): Promise<void> {
    const { backup } = this.#sending;
    let last: Uint8Array | undefined;
    for await (const piece of backup.pieces) {
      if (last) await this.#write(last);
      last = piece;
    }
    await this.#taken();
    backup.requireSound();
    if (last) await this.#write(last);
    await this.#taken();
  }

  #begin(): void {
    const { response, backup } = this.#sending;
    const { clusterId, revision, stateHash, storeBytes } = backup.head;
    const name = `holdfast-${formatId(clusterId)}-${revision}.backup`;
    response.writeHead(200, {
      'Content-Type': 'application/octet-stream',
      'Content-Disposition': `attachment; filename="${name}"`,
      'Cache-Control': 'no-store',
      'X-Holdfast-Revision': String(revision),
      'X-Holdfast-State-Hash': formatId(stateHash),
      'X-Holdfast-Store-Bytes': String(storeBytes),
    });
  }

  /**
   * Resolves when the socket has taken all but the last few pieces: while it takes those, the next
   * one is made, as each waits for its own turn of a busy event loop.
   */
  async #write(piece: Uint8Array): Promise<void> {
    const { response, gone } = this.#sending;
    gone.signal.throwIfAborted();
    this.#aheadBytes += piece.length;
    response.write(piece, (error) => {
      if (error) return; // The connection is gone, and its end is told by `gone`.
      this.#aheadBytes -= piece.length;
      this.#wake();
    });
    while (this.#aheadBytes > aheadBytesMax) await this.#progress();
  }

  async #taken(): Promise<void> {
    while (this.#aheadBytes > 0) await this.#progress();
  }

  /** The socket has taken a piece. */
  async #progress(): Promise<void> {
    const { gone } = this.#sending;
    const deadline = startDeadline(this.#context.clock, stuckMs, gone.signal);
    try {
      const taken = new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      await waitFor(taken, deadline.signal);
    } catch (error) {
      gone.signal.throwIfAborted();
      if (deadline.signal.aborted) throw stuck();
      throw error;
    } finally {
      deadline.dispose();
    }
  }
}

const stuck = (): HoldfastError =>
  new HoldfastError('deadline-exceeded', `whoever reads it took nothing for ${stuckMs / 1000} s`);
