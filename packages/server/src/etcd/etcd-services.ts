// All of etcd's API that is served, by the paths of its methods.
import type { GrpcMethods } from '../grpc/method.ts';
import type { EtcdServiceOptions } from './etcd-service-options.ts';
import { kvService } from './kv-service.ts';

export function etcdServices(options: EtcdServiceOptions): GrpcMethods {
  return new Map([...kvService(options)]);
}
