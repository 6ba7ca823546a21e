// What a service of etcd's API stands on.
import type { Clock } from '@holdfast/base/clock';
import type { Engine } from '@holdfast/engine/engine';

import type { Operator } from './etcd-operator.ts';

export type EtcdServiceOptions = {
  readonly clock: Clock;
  /** Throws while there is none. */
  readonly engine: () => Engine;
  /** Of a request that writes, as etcd's --max-request-bytes. */
  readonly requestBytesMax: number;
  /** Without it, what operators ask is not served. */
  readonly operator?: Operator | undefined;
};
