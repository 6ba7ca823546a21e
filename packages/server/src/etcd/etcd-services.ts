// All of etcd's API that is served, by the paths of its methods.
import type { GrpcMethods } from '../grpc/method.ts';
import { kvService } from './kv-service.ts';
import { leaseService } from './lease-service.ts';
import { requiringLeader } from './require-leader.ts';
import { type WatchServiceOptions, watchService } from './watch-service.ts';

export function etcdServices(options: WatchServiceOptions): GrpcMethods {
  const methods: GrpcMethods = new Map([
    ...kvService(options),
    ...leaseService(options),
    ...watchService(options),
  ]);
  const { engine, clock, settings } = options;
  return requiringLeader(methods, { engine, clock, electionMs: settings.electionMs });
}
