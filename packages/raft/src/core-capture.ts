// A core as plain data: numbers, bigints, lists and objects of them, so that a recording can hold
// it and a replay go on from it. Each class with fields of its own captures and resumes itself.
import type { Index, MemberId, RequestId, Term } from '@holdfast/base/ids';
import type { SeededRandomState } from '@holdfast/base/seeded-random';
import type { PlacedConfiguration } from './configuration.ts';
import type { LogId } from './entry.ts';
import type { LogCapture } from './log.ts';
import type { Message } from './message.ts';
import type { HardState } from './ready.ts';
import type { RoleCapture } from './role.ts';
import type { RaftSettings } from './settings.ts';

/** `lost`: the other one knows its term no more, only that of its last entry. */
export type HeardTerm = { readonly term: Term; readonly lost: boolean };

/** A message that leaves once the status save `sequence` is synced. */
export type HeldMessage = { readonly sequence: number; readonly message: Message };

export type WaitingRead = { readonly requestId: RequestId; readonly sentAtMs: number };

/** Fields of a core that are plain data as they stand. */
export type PlainFields = {
  readonly nowMs: number;
  readonly wokeAtMs: number;
  readonly hardState: HardState;
  readonly leader: MemberId | undefined;
  readonly heardLeaderMs: number;
  readonly electionAtMs: number;
  readonly commit: Index;
  readonly applied: Index;
  readonly nextTermRequestMs: number;
  readonly verified: Index;
  readonly ackedToLeader: Index;
  readonly installing: LogId | undefined;
  readonly forwardedReads: readonly WaitingRead[];
};

/** A core between a Ready and the next input. */
export type CoreCapture = {
  readonly id: MemberId;
  readonly settings: RaftSettings;
  readonly random: SeededRandomState;
  readonly log: LogCapture;
  readonly role: RoleCapture;
  readonly heardTerms: readonly (readonly [MemberId, HeardTerm])[] | undefined;
  readonly fields: PlainFields;
  readonly handed: Index;
  readonly configurations: readonly PlacedConfiguration[];
  readonly statusSequence: number;
  readonly statusPersisted: number;
  readonly statusHanded: number;
  readonly held: readonly HeldMessage[];
};

export function plainFields(core: PlainFields): PlainFields {
  return {
    nowMs: core.nowMs,
    wokeAtMs: core.wokeAtMs,
    hardState: core.hardState,
    leader: core.leader,
    heardLeaderMs: core.heardLeaderMs,
    electionAtMs: core.electionAtMs,
    commit: core.commit,
    applied: core.applied,
    nextTermRequestMs: core.nextTermRequestMs,
    verified: core.verified,
    ackedToLeader: core.ackedToLeader,
    installing: core.installing,
    forwardedReads: [...core.forwardedReads],
  };
}
