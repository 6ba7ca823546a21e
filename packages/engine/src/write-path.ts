// The way of a write from an engine's door into the log: refused where it would be in vain, held
// back until every member understands it, then proposed. Nearly always there is nothing to wait
// for, and no promise is made that says so.
import type { HoldfastError } from '@holdfast/base/errors';
import type { MemberId } from '@holdfast/base/ids';
import type { KvStore } from '@holdfast/mvcc/kv-store';
import type { Proposed } from '@holdfast/replica/proposals';
import type { Replica } from '@holdfast/replica/replica';
import { requireVersion } from './cluster-version.ts';
import { type CommandRequest, encodeCommand, versionOf } from './command-answer.ts';
import type { WriteOptions } from './engine.ts';
import { quotaRefusal, requireApplied } from './write-admission.ts';

export type WritePathOptions = {
  readonly store: KvStore;
  readonly replica: Replica;
  /** Undefined: as much as fits. */
  readonly quotaBytes: number | undefined;
  readonly configured: () => readonly MemberId[];
  readonly nameOf: (id: MemberId) => string;
  /** Whether the write was applied before. */
  readonly isAnswered: (options: WriteOptions) => Promise<boolean>;
};

export class WritePath {
  readonly #options: WritePathOptions;

  constructor(options: WritePathOptions) {
    this.#options = options;
  }

  /** Throws, or rejects, with what it is refused with. */
  execute(request: CommandRequest, options: WriteOptions): Promise<Proposed> {
    const { store, replica, quotaBytes } = this.#options;
    requireApplied(replica.applyLag);
    const full = quotaRefusal(request, store.bytes, quotaBytes);
    const version = versionOf(request, options);
    const isUnderstood = version === undefined || store.clusterVersion >= version;
    if (full || !isUnderstood) return this.#executeLater(request, options, full);
    return replica.propose(encodeCommand(request, options), options.signal);
  }

  /** Throws `failed-precondition` while a member does not understand what needs that version. */
  async awaitVersion(version: number, signal?: AbortSignal): Promise<void> {
    const { store, replica, configured, nameOf } = this.#options;
    if (store.clusterVersion >= version) return;
    // This member may merely be behind.
    await replica.readBarrier(signal);
    requireVersion(store, { version, configured: configured(), nameOf });
  }

  async #executeLater(
    request: CommandRequest,
    options: WriteOptions,
    full: HoldfastError | undefined,
  ): Promise<Proposed> {
    const { replica, isAnswered } = this.#options;
    if (full && !(await isAnswered(options))) throw full;
    const version = versionOf(request, options);
    if (version !== undefined) await this.awaitVersion(version, options.signal);
    return await replica.propose(encodeCommand(request, options), options.signal);
  }
}
