// The bulk connections to one peer: one for each snapshot that is on its way to it. Each is a call
// that the breaker has let through (safety.md 18), and says to it how it ended.
import { HoldfastError, messageOf } from '@holdfast/base/errors';
import type { MemberId } from '@holdfast/base/ids';
import type { SnapshotBegin } from '@holdfast/proto/peer';
import { type CircuitBreaker, type Permit, setAside } from './circuit-breaker.ts';
import {
  type LinkHealth,
  newLinkHealth,
  withLife,
  withSilence,
  withSuccess,
} from './link-health.ts';
import type { LinkRecord } from './link-record.ts';
import { dialPeer, type MemberContext } from './peer-dialer.ts';
import type { ChunksFrom } from './snapshot-receiver.ts';
import { sendSnapshot } from './snapshot-sender.ts';
import { isTransportFailure } from './transport-failure.ts';

export type BulkStreamsOptions = {
  readonly context: MemberContext;
  readonly peer: MemberId;
  readonly address: () => string;
  readonly breaker: CircuitBreaker;
};

type Stream = {
  readonly controller: AbortController;
  health: LinkHealth;
  openSinceMs: number | undefined;
};

/** One of them, as the checker sees it. */
export type BulkStream = { readonly record: LinkRecord; readonly evict: (why: string) => void };

export class BulkStreams {
  readonly #options: BulkStreamsOptions;
  /** Mostly nobody: made when it is needed, because a link should weigh little. */
  #streams: Set<Stream> | undefined;

  constructor(options: BulkStreamsOptions) {
    this.#options = options;
  }

  /** A stream is in use for as long as it lasts, also while its receiver thinks. */
  get all(): readonly BulkStream[] {
    const lastUseMs = this.#options.context.clock.monotonicMs();
    return [...(this.#streams ?? [])].map(({ controller, health, openSinceMs }) => ({
      record: { purpose: 'bulk' as const, health, openSinceMs, lastUseMs },
      evict: (why) => controller.abort(evicted(why)),
    }));
  }

  /** Ends them all with that reason. */
  end(reason: HoldfastError): void {
    for (const { controller } of this.#streams ?? []) controller.abort(reason);
  }

  /** Resolves when the peer says that the whole snapshot stands there, or that it needs none. */
  async send(begin: SnapshotBegin, chunksFrom: ChunksFrom, signal: AbortSignal): Promise<void> {
    const { peer, address, breaker } = this.#options;
    const permit = breaker.admit();
    if (!permit) throw setAside(peer, breaker.state);
    const controller = new AbortController();
    const health = newLinkHealth(address());
    const stream: Stream = { controller, health, openSinceMs: undefined };
    this.#streams ??= new Set();
    this.#streams.add(stream);
    try {
      const either = AbortSignal.any([signal, controller.signal]);
      await this.#stream(stream, { begin, chunksFrom, signal: either });
      permit.succeeded();
    } catch (error) {
      this.#tell(permit, stream, error);
      throw error;
    } finally {
      this.#streams.delete(stream);
    }
  }

  async #stream(
    stream: Stream,
    call: {
      readonly begin: SnapshotBegin;
      readonly chunksFrom: ChunksFrom;
      readonly signal: AbortSignal;
    },
  ): Promise<void> {
    const { context, peer, address } = this.#options;
    const { clock } = context;
    const { signal } = call;
    const { link } = await dialPeer(context, { peer, address: address(), purpose: 'bulk', signal });
    stream.openSinceMs = clock.monotonicMs();
    stream.health = withSuccess(stream.health, stream.openSinceMs);
    await sendSnapshot({
      ...call,
      context,
      link,
      onLife: (heardMs) => {
        stream.health = withLife(stream.health, clock.monotonicMs(), heardMs);
      },
      onSilence: (failures) => {
        const deadAt = context.settings.silence.failuresMax;
        const failure = { nowMs: clock.monotonicMs(), reason: 'silence', deadAt };
        stream.health = withSilence(stream.health, failures, failure);
      },
    });
  }

  /** Only silence and broken connections speak against the peer. */
  #tell(permit: Permit, stream: Stream, error: unknown): void {
    if (stream.controller.signal.aborted) permit.released();
    else if (isTransportFailure(error)) permit.failed(messageOf(error));
    else if (stream.openSinceMs !== undefined) permit.succeeded();
    else permit.released();
  }
}

const evicted = (why: string): HoldfastError =>
  new HoldfastError('unavailable', `the bulk connection was ended: ${why}`);
