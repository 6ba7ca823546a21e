// Snapshots on their way to peers: which one each is sent, how fast, and which stored ones must
// stay for it. A peer that has begun with one is sent that one to its end, also over broken links,
// however many newer ones are taken meanwhile: else a slow link would never see an end.
import { type Clock, pause } from '@holdfast/base/clock';
import { isHoldfastError } from '@holdfast/base/errors';
import type { MemberId } from '@holdfast/base/ids';
import { type LogId, sameLogId } from '@holdfast/raft/entry';
import type { LogStore, PeerTransport, SnapshotStore, StoredSnapshot } from './ports.ts';
import type { ReplicaSettings } from './settings.ts';
import { TokenBucket, throttled } from './token-bucket.ts';

export type SnapshotSendingOptions = {
  readonly clock: Clock;
  readonly log: Pick<LogStore, 'marks'>;
  readonly snapshots: Pick<SnapshotStore, 'read'>;
  readonly transport: Pick<PeerTransport, 'sendSnapshot'>;
  readonly settings: ReplicaSettings;
  /** Those that can be sent, newest first. */
  readonly stored: () => readonly StoredSnapshot[];
  /** This one does not read back, or the peer could not use it. */
  readonly onCorrupt: (snapshot: StoredSnapshot) => void;
  readonly onFailure: (what: string, error: unknown) => void;
};

/** What people see of a snapshot on its way. */
export type SendProgress = {
  readonly to: MemberId;
  readonly doneBytes: number;
  readonly totalBytes: number;
};

type Sending = {
  readonly snapshot: StoredSnapshot;
  doneBytes: number;
  /** How many newer ones were taken since it was chosen. */
  overtaken: number;
  /** When the last try ended, however it did; undefined while one is under way. */
  endedMs: number | undefined;
};

/** A snapshot that so many newer ones have overtaken is kept for nobody: the log would grow on. */
const overtakenMax = 4;

export class SnapshotSending {
  readonly #options: SnapshotSendingOptions;
  readonly #bucket: TokenBucket;
  readonly #sendings = new Map<MemberId, Sending>();

  constructor(options: SnapshotSendingOptions) {
    this.#options = options;
    const { clock, settings } = options;
    this.#bucket = new TokenBucket(clock, { bytesPerSecond: settings.snapshotSendBytesPerSecond });
  }

  get progress(): readonly SendProgress[] {
    return [...this.#sendings]
      .filter(([, { endedMs }]) => endedMs === undefined)
      .map(([to, { snapshot, doneBytes }]) => ({ to, doneBytes, totalBytes: snapshot.bytes }));
  }

  /** A newer one was taken. */
  overtake(): void {
    for (const sending of this.#sendings.values()) sending.overtaken += 1;
  }

  /** Where the snapshots end that must stay, and the log behind them. */
  held(): readonly LogId[] {
    this.#forgetOld();
    return [...this.#sendings.values()].map(({ snapshot }) => snapshot.last);
  }

  /** Sends a snapshot to the peer; answers whether it stands there now. */
  async send(peer: MemberId, signal: AbortSignal): Promise<boolean> {
    const sending = this.#begin(peer);
    if (!sending) return false;
    try {
      await this.#stream(peer, sending, signal);
      return true;
    } catch (error) {
      if (!signal.aborted) await this.#failed(peer, error, signal);
      return false;
    } finally {
      sending.endedMs = this.#options.clock.monotonicMs();
    }
  }

  /** As send(), of the newest one, whatever the peer has begun with before. */
  sendNewest(peer: MemberId, signal: AbortSignal): Promise<boolean> {
    this.#sendings.delete(peer);
    return this.send(peer, signal);
  }

  /** The one that the peer has begun with, as long as entries can follow it; else the newest. */
  #begin(peer: MemberId): Sending | undefined {
    this.#forgetOld();
    const { stored, log } = this.#options;
    const begun = this.#sendings.get(peer);
    const isUsable = begun && begun.snapshot.last.index >= log.marks.purged.index;
    const snapshot = isUsable ? begun.snapshot : stored()[0];
    if (!snapshot) return undefined;
    const overtaken = isUsable ? begun.overtaken : 0;
    const sending: Sending = { snapshot, doneBytes: 0, overtaken, endedMs: undefined };
    this.#sendings.set(peer, sending);
    return sending;
  }

  async #stream(peer: MemberId, sending: Sending, signal: AbortSignal): Promise<void> {
    const { snapshots, transport } = this.#options;
    const { snapshot } = sending;
    const chunksFrom = (offset: number): AsyncIterable<Uint8Array> => {
      sending.doneBytes = offset;
      const chunks = throttled(snapshots.read(snapshot, offset), this.#bucket, signal);
      return counted(chunks, (bytes) => {
        sending.doneBytes += bytes;
      });
    };
    await transport.sendSnapshot({ to: peer, snapshot, chunksFrom, signal });
  }

  async #failed(peer: MemberId, error: unknown, signal: AbortSignal): Promise<void> {
    const { onCorrupt, onFailure, clock, settings } = this.#options;
    onFailure(`sending a snapshot to ${peer.toString(16)}`, error);
    const snapshot = this.#sendings.get(peer)?.snapshot;
    if (isHoldfastError(error, 'corrupt') && snapshot) {
      this.#sendings.delete(peer);
      onCorrupt(snapshot);
    } else if (!isHoldfastError(error, 'unavailable')) {
      // The peer has a reason, as a full disk: it is given time. A broken link is tried at once.
      // An abort ends the wait, and with it this member's need to tell anybody.
      await pause(clock, settings.snapshotRetryMs, signal);
    }
  }

  #forgetOld(): void {
    const { clock, settings, stored } = this.#options;
    const oldestMs = clock.monotonicMs() - settings.snapshotHoldMs;
    for (const [peer, { snapshot, endedMs, overtaken }] of this.#sendings) {
      const isThere = stored().some(({ last }) => sameLogId(last, snapshot.last));
      const isOver = endedMs !== undefined && endedMs < oldestMs;
      if (isOver || !isThere || overtaken > overtakenMax) this.#sendings.delete(peer);
    }
  }
}

async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  onBytes: (bytes: number) => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    onBytes(chunk.length);
    yield chunk;
  }
}
