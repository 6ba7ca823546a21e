// Puts together what looks after the soundness of a member: of its state beside those of the
// others, and of its files.
import type { MemberId, Term } from '@holdfast/base/ids';
import type { TaskGroup } from '@holdfast/base/task-group';
import type { KvStore } from '@holdfast/mvcc/kv-store';
import type { Replica } from '@holdfast/replica/replica';
import type { CommandRequest } from './command-answer.ts';
import type { EmbeddedEngineOptions } from './embedded-engine-options.ts';
import { Integrity, type IntegrityOptions } from './integrity.ts';
import { defaultIntegritySettings, defaultScrubSettings } from './integrity-status.ts';
import { Scrubber } from './scrubber.ts';

export type SoundnessParts = {
  readonly options: EmbeddedEngineOptions;
  readonly store: () => KvStore;
  readonly replica: () => Replica;
  readonly tasks: TaskGroup;
  readonly nameOf: (id: MemberId) => string;
  readonly yieldNow: () => Promise<void>;
  readonly execute: (request: CommandRequest, signal?: AbortSignal) => Promise<void>;
  readonly propose: (term: Term, request: CommandRequest) => Promise<void>;
  readonly onDoubted: IntegrityOptions['onDoubted'];
};

export class Soundness {
  readonly integrity: Integrity;
  /** Undefined where nothing is at rest. */
  readonly scrubber: Scrubber | undefined;

  constructor(parts: SoundnessParts) {
    const { options, replica, onDoubted } = parts;
    const onProblem = (what: string, error: unknown): void =>
      options.onEvent?.({ type: 'problem', what, error });
    this.integrity = new Integrity({
      ...parts,
      clock: options.clock,
      self: options.identity.memberId,
      settings: { ...defaultIntegritySettings, ...options.integritySettings },
      quarantine: options.quarantine,
      isConnected: (peer) => options.transport.isConnected(peer),
      onDoubted: (why) => {
        onDoubted(why);
        replica().upkeep.stateDoubted();
      },
      onEvent: (event) => options.onIntegrity?.(event),
      onProblem,
    });
    this.scrubber = options.scrubbed && this.#newScrubber(parts, options.scrubbed, onProblem);
  }

  start(tasks: TaskGroup): void {
    tasks.run((signal) => this.integrity.run(signal));
    const { scrubber } = this;
    if (scrubber) tasks.run((signal) => scrubber.run(signal));
  }

  #newScrubber(
    { options, replica }: SoundnessParts,
    files: NonNullable<EmbeddedEngineOptions['scrubbed']>,
    onProblem: (what: string, error: unknown) => void,
  ): Scrubber {
    return new Scrubber({
      clock: options.clock,
      self: options.identity.memberId,
      settings: { ...defaultScrubSettings, ...options.scrubSettings },
      files,
      onSnapshotLost: (snapshot) => replica().upkeep.snapshotLost(snapshot),
      onLogRotten: (error) => replica().upkeep.logDamaged(error),
      onFound: (what) => options.onIntegrity?.({ type: 'rot-found', what }),
      onProblem,
    });
  }
}
