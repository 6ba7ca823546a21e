// The requests of clients beside those of frame-call.ts: lists, compaction, leases and sessions.
// Each means what its route of the HTTP API means.
import type { Engine, LeaseTime as EngineLeaseTime, WriteOptions } from '@holdfast/engine/engine';
import type { LeasesRequest, LeaseTime, LeaseTimeRequest, Response } from '@holdfast/proto/client';
import type { LeaseGrantRequest, SessionRegisterRequest } from '@holdfast/proto/internal';

import { kvKeyspace } from '../http/kv-view.ts';
import {
  carryOut,
  type FrameCall,
  invalid,
  readOptions,
  responseOf,
  writeOptions,
} from './frame-call.ts';
import { readPage } from './page-reader.ts';

/** Leases of one answer, as over HTTP. */
const leasesDefault = 1000;
const leasesMax = 10_000;

/** As `carryOut`, of a request of any kind. */
export function answerTo(engine: Engine, call: FrameCall): Promise<Response> {
  const { request } = call.request;
  switch (request?.$case) {
    case 'list':
    case 'compact':
      return carryOutKeys(engine, call);
    case 'leaseGrant':
    case 'leaseRevoke':
    case 'leaseKeepAlive':
    case 'leaseTime':
    case 'leases':
      return carryOutLeases(engine, call);
    case 'sessionRegister':
    case 'sessionKeepAlive':
    case 'sessionClose':
      return carryOutSessions(engine, call);
    default:
      return carryOut(engine, call);
  }
}

async function carryOutKeys(engine: Engine, call: FrameCall): Promise<Response> {
  const { id, request } = call.request;
  if (request?.$case === 'list') {
    const { header, body } = await readPage(engine, request.value, readOptions(call));
    return responseOf(id, header, { $case: 'range', value: body });
  }
  if (request?.$case !== 'compact') throw unknown();
  const { header } = await engine.compact(request.value, plainWrite(call));
  return responseOf(id, header, { $case: 'compact', value: {} });
}

async function carryOutLeases(engine: Engine, call: FrameCall): Promise<Response> {
  const { id, request } = call.request;
  switch (request?.$case) {
    case 'leaseGrant': {
      const { header, body } = await engine.leaseGrant(grantOf(request.value), writeOptions(call));
      return responseOf(id, header, { $case: 'leaseGrant', value: body });
    }
    case 'leaseRevoke': {
      const { header, body } = await engine.leaseRevoke(request.value.id, writeOptions(call));
      return responseOf(id, header, { $case: 'leaseRevoke', value: body });
    }
    case 'leaseKeepAlive': {
      const { header, body } = await engine.leaseKeepAlive(request.value.id, askerOf(call));
      return responseOf(id, header, { $case: 'leaseTime', value: timeOf(body, []) });
    }
    case 'leaseTime':
      return leaseTime(engine, call, request.value);
    case 'leases':
      return listLeases(engine, call, request.value);
    default:
      throw unknown();
  }
}

async function leaseTime(
  engine: Engine,
  call: FrameCall,
  { id, keys }: LeaseTimeRequest,
): Promise<Response> {
  const { header, body } = await engine.leaseTimeToLive(id, { ...askerOf(call), keys });
  // What hangs on it in another keyspace is not the clients' to know.
  const own = (body.keys ?? []).filter(({ keyspace }) => keyspace === kvKeyspace);
  const value = timeOf(
    body,
    own.map(({ key }) => key),
  );
  return responseOf(call.request.id, header, { $case: 'leaseTime', value });
}

async function listLeases(
  engine: Engine,
  call: FrameCall,
  { limit }: LeasesRequest,
): Promise<Response> {
  if (limit > leasesMax) throw invalid(`at most ${leasesMax} leases are listed at once`);
  const wanted = { limit: limit || leasesDefault };
  const { header, body } = await engine.leases(wanted, readOptions(call));
  const value = { ids: [...body.ids], count: body.count };
  return responseOf(call.request.id, header, { $case: 'leases', value });
}

async function carryOutSessions(engine: Engine, call: FrameCall): Promise<Response> {
  const { id, request } = call.request;
  const options = plainWrite(call);
  switch (request?.$case) {
    case 'sessionRegister': {
      const { header, body } = await engine.sessionRegister(grantOf(request.value), options);
      return responseOf(id, header, { $case: 'sessionRegister', value: body });
    }
    case 'sessionKeepAlive': {
      const { header } = await engine.sessionKeepAlive(request.value.id, options);
      return responseOf(id, header, { $case: 'sessionKeepAlive', value: {} });
    }
    case 'sessionClose': {
      const { header } = await engine.sessionClose(request.value.id, options);
      return responseOf(id, header, { $case: 'sessionClose', value: {} });
    }
    default:
      throw unknown();
  }
}

/** Of a write that can be in no session: one that is repeated does no harm. */
function plainWrite(call: FrameCall): WriteOptions {
  if (call.request.session) throw invalid('this call takes no session: it may be repeated');
  return askerOf(call);
}

const askerOf = ({ actor, subject, signal }: FrameCall): WriteOptions => ({
  actor,
  subject,
  signal,
});

/** Zero: the cluster chooses the id. */
const grantOf = ({ ttlMs, id }: LeaseGrantRequest | SessionRegisterRequest) => ({
  ttlMs,
  id: id === 0n ? undefined : id,
});

const timeOf = ({ id, ttlMs, remainingMs }: EngineLeaseTime, keys: Uint8Array[]): LeaseTime => ({
  id,
  ttlMs,
  remainingMs,
  keys,
});

const unknown = () => invalid('a request that this version does not know');
