// What a service of etcd's API stands on.
import type { Clock } from '@holdfast/base/clock';
import type { Engine } from '@holdfast/engine/engine';

import type { Access } from '../access/access.ts';
import type { Operator } from './etcd-operator.ts';

export type EtcdServiceOptions = {
  readonly clock: Clock;
  /** Throws while there is none. */
  readonly engine: () => Engine;
  /** Who asks; what an engine is asked for it judges itself. */
  readonly access: Access;
  /** Of a request that writes, as etcd's --max-request-bytes. */
  readonly requestBytesMax: number;
  /** Without it, what operators ask is not served. */
  readonly operator?: Operator | undefined;
};
