// What the load generator is asked, and what it answers: plain data between two processes.

/** To create is to put a key that is not there yet, which only ZooKeeper tells apart. */
export type LoadKind = 'put' | 'create' | 'get-linearizable' | 'get-stale';

export const isRead = (kind: LoadKind): boolean =>
  kind === 'get-linearizable' || kind === 'get-stale';

/** What a generator that makes its own bytes speaks with a member. */
export type WireProtocol = 'http' | 'frames' | 'grpc' | 'zookeeper';

/** The same, or the client library: in frames, or over HTTP. */
export type LoadProtocol = WireProtocol | 'sdk' | 'sdk-http';

export type LoadPlan = {
  readonly kind: LoadKind;
  readonly by: LoadProtocol;
  /** `host:port`; connections are dealt round robin. */
  readonly endpoints: readonly string[];
  readonly connections: number;
  /** Over all connections, pipelined evenly; at least one each. */
  readonly inFlight: number;
  /** Keys are `bench-00000000` and on, taken in turn. */
  readonly keys: number;
  /** They begin with that one; with the first of all without. */
  readonly firstKey?: number;
  readonly valueBytes: number;
  /** The same load for so long before the clock starts; none without. */
  readonly warmupMs?: number;
  /** Ends after so long, or after so many answers, whichever is set. */
  readonly durationMs: number | undefined;
  readonly requests: number | undefined;
};

export type LoadResult = {
  readonly completed: number;
  /** With those of the warm-up. */
  readonly answered: number;
  readonly elapsedMs: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Answers that were no success, by status; a run with any is no measurement. */
  readonly failures: Readonly<Record<string, number>>;
  /** The generator's own processor time over the elapsed time: 1 = one core. */
  readonly cpuShare: number;
  readonly cpuMicrosPerRequest: number;
};
