// etcd's Lease: times in whole seconds, and what is unknown said as etcd says it.
import { isHoldfastError } from '@holdfast/base/errors';
import type { Engine } from '@holdfast/engine/engine';
import {
  LeaseGrantRequest,
  LeaseGrantResponse,
  LeaseLeasesRequest,
  LeaseLeasesResponse,
  LeaseRevokeRequest,
  LeaseRevokeResponse,
  LeaseTimeToLiveRequest,
  LeaseTimeToLiveResponse,
} from '@holdfast/proto/etcd';

import { type GrpcCall, type GrpcMethod, unaryMethod } from '../grpc/method.ts';
import { kvKeyspace } from '../http/kv-view.ts';
import type { EtcdServiceOptions } from './etcd-service-options.ts';
import type { EtcdSettings } from './etcd-settings.ts';
import { etcdStatus, etcdStatusOf } from './etcd-status.ts';
import { LeaseKeepAlives, wholeSeconds } from './lease-keep-alives.ts';
import { headerOf } from './response-header.ts';

export type LeaseServiceOptions = Pick<EtcdServiceOptions, 'engine'> & {
  readonly settings: EtcdSettings;
};

/** The longest time to live, in seconds (server/lease, MaxLeaseTTL). */
const ttlMax = 9_000_000_000n;

export function leaseService(options: LeaseServiceOptions): ReadonlyMap<string, GrpcMethod> {
  const { engine, settings } = options;
  // A shorter one could end while there is an election, in which nobody keeps it alive.
  const ttlMin = BigInt(Math.ceil((settings.electionMs * 1.5) / 1000));
  const of = (name: string) => ({ name: `Lease/${name}`, statusOf: etcdStatusOf });
  const methods: readonly GrpcMethod[] = [
    unaryMethod(of('LeaseGrant'), [LeaseGrantRequest, LeaseGrantResponse], (request, call) =>
      grant(engine(), { request, ttlMin }, call),
    ),
    unaryMethod(of('LeaseRevoke'), [LeaseRevokeRequest, LeaseRevokeResponse], (request, call) =>
      revoke(engine(), request, call),
    ),
    unaryMethod(
      of('LeaseTimeToLive'),
      [LeaseTimeToLiveRequest, LeaseTimeToLiveResponse],
      (request, call) => timeToLive(engine(), request, call),
    ),
    unaryMethod(of('LeaseLeases'), [LeaseLeasesRequest, LeaseLeasesResponse], (_request, call) =>
      leases(engine(), call),
    ),
    {
      kind: 'stream',
      ...of('LeaseKeepAlive'),
      open: (call) => new LeaseKeepAlives(call, engine),
    },
  ];
  return new Map(methods.map((method) => [`/etcdserverpb.${method.name}`, method]));
}

async function grant(
  engine: Engine,
  { request, ttlMin }: { readonly request: LeaseGrantRequest; readonly ttlMin: bigint },
  call: GrpcCall,
): Promise<LeaseGrantResponse> {
  const { TTL, ID } = request;
  if (TTL > ttlMax) throw etcdStatus('leaseTtlTooLarge');
  const ttlMs = Number(TTL < ttlMin ? ttlMin : TTL) * 1000;
  const { header, body } = await engine.leaseGrant({ ttlMs, id: ID === 0n ? undefined : ID }, call);
  return { header: headerOf(header), ID: body.id, TTL: wholeSeconds(body.ttlMs), error: '' };
}

async function revoke(
  engine: Engine,
  { ID }: LeaseRevokeRequest,
  call: GrpcCall,
): Promise<LeaseRevokeResponse> {
  if (ID <= 0n) throw etcdStatus('leaseNotFound');
  const { header } = await engine.leaseRevoke(ID, call);
  return { header: headerOf(header) };
}

async function timeToLive(
  engine: Engine,
  { ID, keys }: LeaseTimeToLiveRequest,
  call: GrpcCall,
): Promise<LeaseTimeToLiveResponse> {
  if (ID <= 0n) return unknownLease(engine, ID);
  try {
    const { actor, subject, signal } = call;
    const asked = { actor, subject, signal, keys };
    const { header, body } = await engine.leaseTimeToLive(ID, asked);
    return {
      ...{ header: headerOf(header), ID },
      TTL: Math.floor(body.remainingMs / 1000),
      grantedTTL: wholeSeconds(body.ttlMs),
      // What else hangs on it is not for etcd's clients to see.
      keys: (body.keys ?? [])
        .filter(({ keyspace }) => keyspace === kvKeyspace)
        .map(({ key }) => key),
    };
  } catch (error) {
    if (isHoldfastError(error, 'not-found')) return unknownLease(engine, ID);
    throw error;
  }
}

const unknownLease = (engine: Engine, ID: bigint): LeaseTimeToLiveResponse => ({
  ...{ header: headerOf(engine.header()), ID },
  ...{ TTL: -1, grantedTTL: 0, keys: [] },
});

async function leases(
  engine: Engine,
  { actor, subject, signal }: GrpcCall,
): Promise<LeaseLeasesResponse> {
  const { header, body } = await engine.leases(
    { limit: Number.MAX_SAFE_INTEGER },
    { actor, subject, signal },
  );
  return { header: headerOf(header), leases: body.ids.map((ID) => ({ ID })) };
}
