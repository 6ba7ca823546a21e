// All of etcd's API that is served, by the paths of its methods.
import type { GrpcMethod, GrpcMethods } from '../grpc/method.ts';
import { authService } from './auth-service.ts';
import { clusterService } from './cluster-service.ts';
import { electionService } from './election-service.ts';
import { kvService } from './kv-service.ts';
import { leaseService } from './lease-service.ts';
import { lockService } from './lock-service.ts';
import { maintenanceService } from './maintenance-service.ts';
import { judged } from './method-needs.ts';
import { requiringLeader } from './require-leader.ts';
import { type WatchServiceOptions, watchService } from './watch-service.ts';

export function etcdServices(options: WatchServiceOptions): GrpcMethods {
  const { access, engine, clock, settings, operator } = options;
  const methods = new Map<string, GrpcMethod>([
    ...kvService(options),
    ...leaseService(options),
    ...watchService(options),
    ...authService(options),
    ...lockService(options),
    ...electionService(options),
    ...(operator ? clusterService(operator) : []),
    ...(operator ? maintenanceService(operator) : []),
  ]);
  const led = requiringLeader(methods, { engine, clock, electionMs: settings.electionMs });
  return judged(led, access);
}
