// etcd's Lock service: locks for clients that can not build them of keys themselves. A lock is held
// by whoever is in front of its queue, for as long as the key lives: until it is unlocked or its
// lease ends.
import { emptyBytes } from '@holdfast/base/bytes';
import { isHoldfastError } from '@holdfast/base/errors';
import { deleteRangeRequest } from '@holdfast/domain/requests';
import type { Engine } from '@holdfast/engine/engine';
import {
  LockRequest,
  LockResponse,
  UnlockRequest,
  UnlockResponse,
} from '@holdfast/proto/etcd-lock';

import { type GrpcCall, type UnaryMethod, unaryMethod } from '../grpc/method.ts';
import { GrpcStatus, statusCodes } from '../grpc/status.ts';
import { etcdStatus, etcdStatusOf } from './etcd-status.ts';
import { at, KeyQueue, type QueueOptions } from './key-queue.ts';
import { headerOf } from './response-header.ts';

/** Of a lease that the caller leaves to us, as in etcd: nobody keeps it alive. */
const ownTtlMs = 60_000;

export function lockService(options: QueueOptions): ReadonlyMap<string, UnaryMethod> {
  const methods = [
    unaryMethod(
      { name: 'Lock/Lock', statusOf: waitStatusOf, waitsWithClient: true },
      [LockRequest, LockResponse],
      (request, call) => lock(options, request, call),
    ),
    unaryMethod(
      { name: 'Lock/Unlock', statusOf: etcdStatusOf },
      [UnlockRequest, UnlockResponse],
      (request, call) => unlock(options.engine(), request, call),
    ),
  ];
  return new Map(methods.map((method) => [`/v3lockpb.${method.name}`, method]));
}

async function lock(
  options: QueueOptions,
  { name, lease: asked }: LockRequest,
  call: GrpcCall,
): Promise<LockResponse> {
  const queue = new KeyQueue(name, options);
  const lease = await leaseOf(options.engine(), asked, call);
  const { place, header } = await queue.enter(lease, emptyBytes, call);
  const { key } = place;
  try {
    const how = await queue.untilFirst(place, header.revision, call);
    if (how === 'at once') return { header: headerOf(header), key };
    const confirmed = how === 'later' ? await queue.confirm(place, call) : undefined;
    if (!confirmed) throw sessionExpired();
    return { header: headerOf(confirmed), key };
  } catch (error) {
    if (!isMovingOn(error)) await queue.leave(place, call);
    throw error;
  }
}

async function unlock(
  engine: Engine,
  { key }: UnlockRequest,
  call: GrpcCall,
): Promise<UnlockResponse> {
  if (key.length === 0) throw etcdStatus('emptyKey');
  const { header } = await engine.deleteRange(deleteRangeRequest(at(key)), call);
  return { header: headerOf(header) };
}

export async function leaseOf(engine: Engine, asked: bigint, call: GrpcCall): Promise<bigint> {
  if (asked !== 0n) return asked;
  return (await engine.leaseGrant({ ttlMs: ownTtlMs }, call)).body.id;
}

/** The client asks another member, where the place that it has is as good. */
export const isMovingOn = (error: unknown): boolean => isHoldfastError(error, 'shutting-down');

/** Of a call that waits, in the words of its client. */
export function waitStatusOf(error: unknown): GrpcStatus {
  if (isHoldfastError(error, 'cancelled')) {
    return new GrpcStatus(statusCodes.cancelled, 'context canceled');
  }
  if (isHoldfastError(error, 'deadline-exceeded')) {
    return new GrpcStatus(statusCodes.deadlineExceeded, 'context deadline exceeded');
  }
  // Nothing else of what is asked for can be missing.
  return isHoldfastError(error, 'not-found') ? etcdStatus('leaseNotFound') : etcdStatusOf(error);
}

const sessionExpired = (): GrpcStatus =>
  new GrpcStatus(statusCodes.unknown, 'mutex: session is expired');
