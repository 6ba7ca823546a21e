// The SDK's questions about the soundness of one member, as types: its state beside those of the
// others, and its files at rest. As with connections, each answer names the member that gave it.
import type { CallOptions } from './config-api.ts';
import type { AnsweringMember } from './connection-api.ts';

export type IntegrityView = AnsweringMember & {
  /** The log entry of the last comparison; null before the first. */
  readonly checkIndex: number | null;
  /** open, equal, odd or undecided. */
  readonly verdict: string;
  readonly odd: readonly { readonly member: string; readonly partsDiffering: number }[];
  readonly reports: readonly {
    readonly member: string;
    readonly rolling: string;
    readonly content: string;
    readonly doubted: boolean;
    /** Its state came from another member and was not found equal since: no witness. */
    readonly unproven: boolean;
  }[];
  readonly quarantine: {
    readonly says: string;
    readonly checkIndex: number;
    readonly partsDiffering: number;
    /** ISO 8601. */
    readonly since: string;
    readonly replaced: boolean;
  } | null;
  readonly checks: number;
  readonly reseeds: number;
};

export type ScrubView = AnsweringMember & {
  readonly running: {
    readonly what: string;
    readonly bytes: number;
    readonly sinceMs: number;
  } | null;
  readonly last: {
    /** ISO 8601. */
    readonly ended: string;
    readonly tookMs: number;
    readonly bytes: number;
    readonly found: number;
    readonly whole: boolean;
  } | null;
  readonly passes: number;
  readonly found: number;
};

export interface IntegrityApi {
  view(options?: CallOptions): Promise<IntegrityView>;
  /** The states of all members are compared now; what comes of it, view() says a moment later. */
  check(options?: CallOptions): Promise<IntegrityView>;
  /** The member that answers is in quarantine, and may be overwritten however much differs. */
  overwrite(options?: CallOptions): Promise<IntegrityView>;
  scrub(options?: CallOptions): Promise<ScrubView>;
  /** Begins a pass over the files of the member that answers. */
  startScrub(options?: CallOptions): Promise<ScrubView>;
}
