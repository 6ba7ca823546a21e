// One protocol on one connection of a generator: requests out, numbered from zero in the order in
// which they are written, and their answers in whatever order they come.
import type { LoadPlan, WireProtocol } from './load-plan.ts';

export interface Wire {
  /** What the connection begins with. */
  readonly opening: Buffer;
  /** `count` requests as one piece of bytes: one system call for all that go out together. */
  take(count: number): Buffer;
  /** Takes in what came. Throws where it is not understood, as that must not be counted. */
  push(part: Buffer): void;
}

/** Told of each answer: to which request, and a status as of HTTP. */
export type OnAnswer = (number: number, status: number) => void;

/** What a wire has to know of a plan. */
export type WirePlan = Pick<LoadPlan, 'kind' | 'keys' | 'valueBytes'> & {
  readonly by: WireProtocol;
};

export type WireOptions = {
  readonly plan: WirePlan;
  /** `host:port` */
  readonly endpoint: string;
  readonly firstKey: number;
  /** Answers overtake each other by fewer than so many requests. */
  readonly ringSize: number;
  /** Sends what the protocol asks for beside the requests. */
  readonly reply: (bytes: Buffer) => void;
  readonly onAnswer: OnAnswer;
};
