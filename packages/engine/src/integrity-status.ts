// What a member knows of its own state beside those of the others, and how it says so.
import { HoldfastError } from '@holdfast/base/errors';
import type { Index, MemberId } from '@holdfast/base/ids';
import type { Quarantine, StateTrust } from '@holdfast/storage/quarantine-file';
import type { OddMember, StateReport, StateVerdict } from './state-verdict.ts';

export type IntegritySettings = {
  /** Between two checks; 0: only when asked for. */
  readonly intervalMs: number;
  /** A member that differs in more parts of its state than that is overwritten by no machine. */
  readonly partsMax: number;
};

export const defaultIntegritySettings: IntegritySettings = { intervalMs: 60_000, partsMax: 16 };

/** Where the trust in the own state stands beside the data. */
export interface TrustStore {
  open(): Promise<StateTrust>;
  save(trust: StateTrust): Promise<void>;
  close(): Promise<void>;
}

/** What a member says of checks, for logs. */
export type IntegrityEvent =
  | {
      readonly type: 'state-odd';
      readonly member: MemberId;
      readonly odd: OddMember;
      readonly isSelf: boolean;
      /** More than may be overwritten without a person. */
      readonly isTooMuch: boolean;
    }
  | { readonly type: 'states-differ'; readonly checkIndex: Index; readonly text: string }
  | { readonly type: 'state-replaced'; readonly index: Index }
  /** At rest, and mended or set aside. */
  | { readonly type: 'rot-found'; readonly what: string }
  | { readonly type: 'quarantine-ended'; readonly checkIndex: Index };

export type IntegrityStatus = {
  /** The newest check that this member has applied since its start. */
  readonly checkIndex: Index | undefined;
  readonly verdict: StateVerdict;
  readonly reports: readonly StateReport[];
  readonly quarantine: Quarantine | undefined;
  /** Checks since the start in which a majority agreed. */
  readonly checksDecided: number;
  /** Members that were sent another state from here. */
  readonly reseeds: number;
};

export function quarantineRefusal(quarantine: Quarantine): HoldfastError {
  const { checkIndex, isReplaced } = quarantine;
  return new HoldfastError('unavailable', quarantineText(quarantine), {
    details: { quarantined: true, checkIndex, isReplaced },
  });
}

export function quarantineText({ checkIndex, isReplaced }: Quarantine): string {
  const named =
    checkIndex === 0
      ? 'what it knew of its state cannot be read any more'
      : `at entry ${checkIndex} its state was another than that of a majority`;
  const next = isReplaced
    ? 'another member has sent it a new one, and the next comparison ends this'
    : 'the leader sends it a new one once a majority of sound members has reported; where they ' +
      'are gone for good, holdfast integrity overwrite lets it take what the leader has, or keep ' +
      'its own if it is the last one';
  return (
    `this member is in quarantine and answers nothing from its state: ${named}; ${next}; ` +
    'ask another member'
  );
}

export function undecidedText(
  groups: readonly (readonly MemberId[])[],
  nameOf: (id: MemberId) => string,
): string {
  const sides = groups.map((group) => group.map(nameOf).join(' and ')).join(' against ');
  return (
    `the states of ${sides} differ, and no majority agrees: nobody can tell who is right, so ` +
    'nothing was changed; bring back the members that are missing, or compare the answers of ' +
    'these members and replace the wrong ones'
  );
}

export type ScrubSettings = {
  /** Between two passes over the data directory; 0: only when asked for. */
  readonly intervalMs: number;
  readonly bytesPerSecond: number;
};

export const defaultScrubSettings: ScrubSettings = {
  intervalMs: 24 * 60 * 60 * 1000,
  bytesPerSecond: 10_000_000,
};

export type ScrubStatus = {
  readonly running:
    | { readonly what: string; readonly bytes: number; readonly sinceMs: number }
    | undefined;
  readonly last:
    | {
        /** Wall time. */
        readonly endedMs: number;
        readonly tookMs: number;
        readonly bytes: number;
        readonly found: number;
        /** Every file was read to its end. */
        readonly isWhole: boolean;
      }
    | undefined;
  /** Since the start of the engine. */
  readonly passes: number;
  readonly found: number;
};
