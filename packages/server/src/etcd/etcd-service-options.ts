// What a service of etcd's API stands on.
import type { Engine } from '@holdfast/engine/engine';

export type EtcdServiceOptions = {
  /** Throws while there is none. */
  readonly engine: () => Engine;
  /** Of a request that writes, as etcd's --max-request-bytes. */
  readonly requestBytesMax: number;
};
