// Watchers of one key on one connection: what the two protocols that have such have in common.

export type WatchOptions = {
  /** `host:port` */
  readonly endpoint: string;
  /** On this connection. */
  readonly watchers: number;
  /** Told for each event of each watcher. */
  readonly onEvent: () => void;
};

export interface WatchConnection {
  /** Resolves when all of them watch. Rejects with `NotServed`, or when the connection fails. */
  readonly opened: Promise<void>;
  close(): void;
}

/** The member knows of no such watch. */
export class NotServed extends Error {}
