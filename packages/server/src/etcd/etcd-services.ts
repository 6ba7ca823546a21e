// All of etcd's API that is served, by the paths of its methods.
import type { Engine } from '@holdfast/engine/engine';

import type { GrpcMethods } from '../grpc/method.ts';
import { kvService } from './kv-service.ts';

export type EtcdServiceOptions = {
  /** Throws while there is none. */
  readonly engine: () => Engine;
  /** Of a request that writes, as etcd's --max-request-bytes. */
  readonly requestBytesMax: number;
};

export function etcdServices(options: EtcdServiceOptions): GrpcMethods {
  return new Map([...kvService(options)]);
}
