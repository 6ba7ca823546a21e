// Who makes the cluster's next scheduled backup, and what became of the last one. Both stand in the
// replicated state: the claim hangs on a lease, so there is never more than one, and one whose
// maker dies is free again after a minute; the record of the last one tells every member when the
// next is due. Any member can claim, and only what a majority has agreed to counts.
import { type Clock, pause } from '@holdfast/base/clock';
import { HoldfastError, isHoldfastError } from '@holdfast/base/errors';
import {
  type BackupRecord,
  backupKeys,
  backupKeyspace,
  decodeRecord,
  encodeRecord,
} from '@holdfast/domain/backup-key';
import {
  compareModRevision,
  putOperation,
  rangeRequest,
  txnRequest,
} from '@holdfast/domain/requests';
import type { Engine } from './engine.ts';

type ClaimEngine = Pick<Engine, 'range' | 'txn' | 'leaseGrant' | 'leaseKeepAlive' | 'leaseRevoke'>;

export type BackupClaimOptions = {
  readonly clock: Clock;
  /** Of this member. */
  readonly name: string;
  readonly engine: ClaimEngine;
};

/** The record of the last backup, and the revision at which it was written. */
export type LastBackup = {
  readonly record: BackupRecord | undefined;
  /** 0: there was none. */
  readonly modRevision: number;
};

/** What has been made while the claim is held, and what becomes of it. */
export type ClaimedBackup = {
  readonly record: BackupRecord;
  /** It is the cluster's last backup: what it takes the place of may go. */
  readonly onRecorded: () => Promise<void>;
  /** It is not. Where nobody knows whether it is, the error's outcome says so. */
  readonly onRefused: (error: unknown) => Promise<void>;
};

/** Until the claim of one that died is free. */
const claimTtlMs = 60_000;
const keepAliveMs = 15_000;

const [claim, last] = [backupKeys.claim, backupKeys.last].map((key) => ({
  keyspace: backupKeyspace,
  key,
})) as [{ keyspace: number; key: Uint8Array }, { keyspace: number; key: Uint8Array }];

export class BackupClaim {
  readonly #options: BackupClaimOptions;
  readonly #who: { readonly actor: string; readonly subject: 'own' };

  constructor(options: BackupClaimOptions) {
    this.#options = options;
    this.#who = { actor: `member:${options.name}`, subject: 'own' };
  }

  /** As this member knows it, at no cost; what is older than the truth is found out by `hold`. */
  async last(signal: AbortSignal): Promise<LastBackup> {
    const consistency = { level: 'stale' } as const;
    const options = { ...this.#who, consistency, signal };
    const { body } = await this.#options.engine.range(rangeRequest(last), options);
    const kv = body.kvs[0];
    return { record: kv && decodeRecord(kv.value), modRevision: kv?.modRevision ?? 0 };
  }

  /**
   * Runs `work` as the only one in the cluster, records what it answers, and tells it of that;
   * false: another member is at it, or has been since `seen`. The signal that `work` gets ends with
   * the claim as well.
   */
  async hold(
    seen: LastBackup,
    work: (signal: AbortSignal) => Promise<ClaimedBackup>,
    signal: AbortSignal,
  ): Promise<boolean> {
    const { engine } = this.#options;
    const options = { ...this.#who, signal };
    const { body: lease } = await engine.leaseGrant({ ttlMs: claimTtlMs }, options);
    const end = new AbortController();
    const either = AbortSignal.any([signal, end.signal]);
    const keeping = this.#keep(lease.id, { end, signal: either });
    try {
      if (!(await this.#take(seen, lease.id, signal))) return false;
      const made = await work(either);
      try {
        await this.#record(made.record, { leaseId: lease.id, signal: either });
      } catch (error) {
        await made.onRefused(error);
        throw error;
      }
      await made.onRecorded();
      return true;
    } finally {
      end.abort(new HoldfastError('cancelled', 'the backup has ended'));
      await keeping;
      await this.#free(lease.id);
    }
  }

  async #take(seen: LastBackup, leaseId: bigint, signal: AbortSignal): Promise<boolean> {
    const request = txnRequest({
      compare: [compareModRevision(claim, '=', 0), compareModRevision(last, '=', seen.modRevision)],
      success: [putOperation(claim, new TextEncoder().encode(this.#options.name), leaseId)],
    });
    const { body } = await this.#options.engine.txn(request, { ...this.#who, signal });
    return body.succeeded;
  }

  /** Only who still holds the claim has made the cluster's backup. */
  async #record(
    record: BackupRecord,
    { leaseId, signal }: { readonly leaseId: bigint; readonly signal: AbortSignal },
  ): Promise<void> {
    const isMine = {
      ...compareModRevision(claim, '=', 0),
      target: { $case: 'lease', value: leaseId },
    };
    const request = txnRequest({
      compare: [isMine as ReturnType<typeof compareModRevision>],
      success: [putOperation(last, encodeRecord(record))],
    });
    const { body } = await this.#options.engine.txn(request, { ...this.#who, signal });
    if (!body.succeeded) throw claimLost();
  }

  /** Until `end`, which it brings about itself where the lease can not be kept. */
  async #keep(
    id: bigint,
    { end, signal }: { readonly end: AbortController; readonly signal: AbortSignal },
  ): Promise<void> {
    const { clock, engine } = this.#options;
    let keptMs = clock.monotonicMs();
    for (;;) {
      await pause(clock, keepAliveMs, signal);
      if (signal.aborted) return;
      try {
        await engine.leaseKeepAlive(id, { ...this.#who, signal });
        keptMs = clock.monotonicMs();
      } catch (error) {
        if (signal.aborted) return;
        // An election, a slow leader: the lease lives on for a while.
        const isGone = isHoldfastError(error, 'not-found');
        if (isGone || clock.monotonicMs() - keptMs > claimTtlMs) return end.abort(claimLost());
      }
    }
  }

  /** If that fails it frees itself, a minute later. */
  async #free(id: bigint): Promise<void> {
    const { clock, engine } = this.#options;
    const soon = new AbortController();
    const timer = clock.schedule(5000, () => soon.abort(new Error('it takes too long')));
    try {
      await engine.leaseRevoke(id, { ...this.#who, signal: soon.signal });
    } catch {
      // As it says above.
    } finally {
      timer.cancel();
    }
  }
}

const claimLost = (): HoldfastError =>
  new HoldfastError(
    'unavailable',
    'this member has lost touch with the leader for a minute, and another one may make the ' +
      'backup now',
  );
