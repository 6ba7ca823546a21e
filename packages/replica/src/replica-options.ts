// What a whole member is given, by its process or its test.
import type { Configuration } from '@holdfast/raft/configuration';
import type { TraceEvent } from '@holdfast/raft/core';
import type { DriverOptions } from './driver-options.ts';
import type { ResultCodec } from './forwarding.ts';
import type { AnswerQuestion } from './leader-questions.ts';

/** What a member tells its process: for logs, metrics and timelines. */
export type ReplicaEvent =
  | TraceEvent
  | { readonly type: 'problem'; readonly what: string; readonly error: unknown };

/** The driver's options, on the process's own clock, and what only whole members need. */
export type ReplicaOptions = DriverOptions & {
  readonly results: ResultCodec;
  readonly bootstrap: Configuration;
  /** Whether a command may share an entry with others now; default: each has its own. */
  readonly isGroupable?: (envelope: Uint8Array) => boolean;
  /** The disk failed, or an invariant broke: the member must end. Called once. */
  readonly onFatal: (error: unknown) => void;
  readonly onEvent?: (event: ReplicaEvent) => void;
  /** Answers, where this member leads, what members ask their leader; default: nothing is known. */
  readonly onQuestion?: AnswerQuestion;
};
