// The way of a write from an engine's door into the log: refused where it would be in vain, held
// back until every member understands it, then proposed. Nearly always there is nothing to wait
// for, and no promise is made that says so.
import { type Clock, sleep } from '@holdfast/base/clock';
import type { HoldfastError } from '@holdfast/base/errors';
import { type MemberId, type Revision, revision } from '@holdfast/base/ids';
import type { KvStore } from '@holdfast/mvcc/kv-store';
import { defaultStoreLimits } from '@holdfast/mvcc/store-limits';
import { requireFewOperations } from '@holdfast/mvcc/txn-size';
import type { CommandResult } from '@holdfast/proto/internal';
import type { Proposed } from '@holdfast/replica/proposals';
import type { Replica } from '@holdfast/replica/replica';
import type { AccessGuard } from './access-guard.ts';
import { isAboutToRise, requireVersion } from './cluster-version.ts';
import {
  type CommandRequest,
  encodeCommand,
  isAllowedByOthers,
  versionOf,
} from './command-answer.ts';
import type { WriteOptions } from './engine.ts';
import { quotaRefusal, requireApplied } from './write-admission.ts';

export type WritePathOptions = {
  readonly clock: Clock;
  readonly store: KvStore;
  readonly replica: Replica;
  /** Undefined: as much as fits. */
  readonly quotaBytes?: number | undefined;
  readonly configured: () => readonly MemberId[];
  readonly nameOf: (id: MemberId) => string;
  /** By which rules a write is allowed. */
  readonly access: AccessGuard;
  /** Until this member has applied that. */
  readonly awaitRevision: (wanted: Revision, signal?: AbortSignal) => Promise<void>;
  /** Whether the write was applied before. */
  readonly isAnswered: (options: WriteOptions) => Promise<boolean>;
};

/**
 * For a new cluster's members to say what they know, which is the first thing that each does once
 * there is a leader: milliseconds, but for a disk that is busy. One that has never come up must not
 * hold every request for longer.
 */
const risingMaxMs = 2000;
const lookMs = 10;

/** Of a write, while others keep changing the access rules meanwhile. */
const permitTriesMax = 8;

export class WritePath {
  readonly #options: WritePathOptions;

  constructor(options: WritePathOptions) {
    this.#options = options;
  }

  /** Throws, or rejects, with what it is refused with. */
  execute(request: CommandRequest, options: WriteOptions): Promise<Proposed> {
    const { store, replica, access, quotaBytes } = this.#options;
    if (request.$case === 'txn') requireFewOperations(request.value, defaultStoreLimits);
    requireApplied(replica.applyLag);
    const full = quotaRefusal(request, store.bytes, quotaBytes);
    const version = versionOf(request, options);
    const isUnderstood = version === undefined || store.clusterVersion >= version;
    if (full || !isUnderstood) return this.#executeLater(request, options, { full });
    const permit = access.permit(request, options);
    if (typeof permit !== 'bigint') return this.#executeLater(request, options, { permit });
    return replica.propose(encodeCommand(request, options, permit), options.signal);
  }

  /** Throws `failed-precondition` while a member does not understand what needs that version. */
  async awaitVersion(version: number, signal?: AbortSignal): Promise<void> {
    const { store, replica, clock, configured, nameOf } = this.#options;
    if (store.clusterVersion >= version) return;
    // This member may merely be behind.
    await replica.readBarrier(signal);
    const untilMs = clock.monotonicMs() + risingMaxMs;
    while (isAboutToRise(store, { version, configured: configured() })) {
      if (clock.monotonicMs() >= untilMs) break;
      await sleep(clock, lookMs, signal);
    }
    requireVersion(store, { version, configured: configured(), nameOf });
  }

  /**
   * Of a write that had been allowed by other access rules than those in force when it was applied,
   * and so was not: judged and proposed again, from what this member has learned since.
   */
  async again(
    request: CommandRequest,
    options: WriteOptions,
    refused: Proposed,
  ): Promise<CommandResult> {
    let result = refused.result as CommandResult;
    for (let left = permitTriesMax; left > 0 && isAllowedByOthers(result); left -= 1) {
      await this.#options.awaitRevision(revision(result.revision), options.signal);
      result = (await this.execute(request, options)).result as CommandResult;
    }
    return result;
  }

  async #executeLater(
    request: CommandRequest,
    options: WriteOptions,
    { full, permit }: Pending,
  ): Promise<Proposed> {
    const { replica, access, isAnswered } = this.#options;
    if (full && !(await isAnswered(options))) throw full;
    const version = versionOf(request, options);
    if (version !== undefined) await this.awaitVersion(version, options.signal);
    const allowed = await (permit ?? access.permit(request, options));
    return await replica.propose(encodeCommand(request, options, allowed), options.signal);
  }
}

/** What a write waits for. */
type Pending = {
  readonly full?: HoldfastError | undefined;
  readonly permit?: Promise<bigint>;
};
