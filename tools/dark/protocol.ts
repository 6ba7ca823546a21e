// What a rig and the agent in one of its machines say to each other: JSON, a line each, over the
// agent's standard input and output. Times are milliseconds of the monotonic clock, which all
// processes of a machine share.

export type Call = {
  readonly method: string;
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** For the whole exchange, the connection included. */
  readonly deadlineMs: number;
  /** Ends with the answer's head: for a stream, whose body has no end. */
  readonly onlyHead?: boolean;
};

export type Answered = {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly tookMs: number;
};

/** No answer: `deadline`, or what the system calls it (`ECONNREFUSED`). */
export type Unanswered = { readonly failure: string; readonly tookMs: number };

export type Outcome = Answered | Unanswered;

/**
 * Calls at a steady pace, over kept connections, that never wait for the ones before them: a stall
 * costs each call that falls into it. They take turns; `{n}` in a URL or a body is the call's
 * number.
 */
export type Pace = { readonly calls: readonly Call[]; readonly perSecond: number };

export type Attempt = {
  /** Which of the pace's calls. */
  readonly call: number;
  readonly number: number;
  readonly startedMs: number;
  readonly tookMs: number;
  /** A status, or why there was none. */
  readonly result: number | string;
  /** What a refusal says. */
  readonly body?: string;
};

export type Order = { readonly id: number } & (
  | { readonly order: 'ask'; readonly call: Call }
  | { readonly order: 'start'; readonly pace: Pace }
  /** What has been answered so far of the pace that the order `pace` started. */
  | { readonly order: 'attempts'; readonly pace: number }
  /** No more calls; answered when the last one is. */
  | { readonly order: 'stop'; readonly pace: number }
);

export type Report = { readonly id: number } & (
  | { readonly outcome: Outcome }
  | { readonly attempts: readonly Attempt[] }
  | { readonly error: string }
);

/** One call of the SDK, by client-calls.mjs. */
export type ClientAttempt = {
  readonly call: string;
  readonly startedMs: number;
  readonly tookMs: number;
  /** `ok`, or the error's code, with its outcome where that is unknown. */
  readonly result: string;
};

export type ClientReport = {
  readonly attempts: readonly ClientAttempt[];
  /** When the events of each of its watches came. */
  readonly beats: readonly (readonly number[])[];
};
