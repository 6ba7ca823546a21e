// etcd's Election service: who of several leads is whoever is in front of a queue, and what its key
// holds is what it proclaims.
import { emptyBytes, equalBytes } from '@holdfast/base/bytes';
import { isHoldfastError } from '@holdfast/base/errors';
import type { Revision } from '@holdfast/base/ids';
import { deleteOperation, putOperation } from '@holdfast/domain/requests';
import type { Engine, ResponseHeader } from '@holdfast/engine/engine';
import {
  CampaignRequest,
  CampaignResponse,
  type LeaderKey,
  LeaderRequest,
  LeaderResponse,
  ProclaimRequest,
  ProclaimResponse,
  ResignRequest,
  ResignResponse,
} from '@holdfast/proto/etcd-election';
import type { KeyValue } from '@holdfast/proto/internal';

import { flat, shapeOf } from '../field-count.ts';
import {
  type GrpcCall,
  type GrpcMethod,
  type GrpcMethods,
  shaped,
  unaryMethod,
} from '../grpc/method.ts';
import { type AnswerCall, serverStreamMethod } from '../grpc/server-stream.ts';
import { GrpcStatus, statusCodes } from '../grpc/status.ts';
import { kvKeyspace } from '../http/kv-view.ts';
import { etcdStatus } from './etcd-status.ts';
import { at, changePlace, KeyQueue, type QueueOptions } from './key-queue.ts';
import { isMovingOn, leaseOf, waitStatusOf } from './lock-service.ts';
import { headerOf } from './response-header.ts';

/** Whose leadership it is stands in a message of its own. */
const ofLeader = { shape: shapeOf([1, flat]) };

export function electionService(options: QueueOptions): GrpcMethods {
  const of = (name: string) => ({ name: `Election/${name}`, statusOf: waitStatusOf });
  const methods: readonly GrpcMethod[] = [
    unaryMethod(
      { ...of('Campaign'), waitsWithClient: true },
      [CampaignRequest, CampaignResponse],
      (request, call) => campaign(options, request, call),
    ),
    unaryMethod(
      of('Proclaim'),
      [shaped(ProclaimRequest, ofLeader), ProclaimResponse],
      (request, call) => proclaim(options.engine(), request, call),
    ),
    unaryMethod(of('Leader'), [LeaderRequest, LeaderResponse], (request, call) =>
      leader(options, request, call),
    ),
    serverStreamMethod(of('Observe'), [LeaderRequest, LeaderResponse], (request, call) =>
      new Observer(options, request, call).run(),
    ),
    unaryMethod(of('Resign'), [shaped(ResignRequest, ofLeader), ResignResponse], (request, call) =>
      resign(options.engine(), request, call),
    ),
  ];
  return new Map(methods.map((method) => [`/v3electionpb.${method.name}`, method]));
}

async function campaign(
  options: QueueOptions,
  { name, lease: asked, value }: CampaignRequest,
  call: GrpcCall,
): Promise<CampaignResponse> {
  const engine = options.engine();
  const queue = new KeyQueue(name, options);
  const lease = await leaseOf(engine, asked, call);
  const { place, header, held } = await queue.enter(lease, value, call);
  const mine: LeaderKey = { name, key: place.key, rev: place.createRevision, lease };
  try {
    if (held && !equalBytes(held, value)) await proclaim(engine, { leader: mine, value }, call);
    const how = await queue.untilFirst(place, header.revision, call);
    const isThere = how === 'at once' || (how === 'later' && (await queue.confirm(place, call)));
    if (!isThere) throw notLeader();
  } catch (error) {
    if (!isMovingOn(error)) await queue.leave(place, call);
    throw error;
  }
  return { header: headerOf(header), leader: mine };
}

async function proclaim(
  engine: Engine,
  { leader: mine, value }: ProclaimRequest,
  call: GrpcCall,
): Promise<ProclaimResponse> {
  const { key, rev: createRevision, lease } = required(mine);
  const operation = putOperation(at(key), value, lease);
  const place = { key, createRevision };
  const { header, succeeded } = await changePlace(engine, place, { operation, call });
  if (!succeeded) throw notLeader();
  return { header: headerOf(header) };
}

/** Of one that leads no more there is nothing to end, as in etcd. */
async function resign(
  engine: Engine,
  { leader: mine }: ResignRequest,
  call: GrpcCall,
): Promise<ResignResponse> {
  const { key, rev: createRevision } = required(mine);
  const operation = deleteOperation(at(key));
  const { header } = await changePlace(engine, { key, createRevision }, { operation, call });
  return { header: headerOf(header) };
}

async function leader(
  options: QueueOptions,
  { name }: LeaderRequest,
  call: GrpcCall,
): Promise<LeaderResponse> {
  const { header, body: kv } = await new KeyQueue(name, options).first(call);
  if (!kv) throw new GrpcStatus(statusCodes.unknown, 'election: no leader');
  return { header: headerOf(header), kv };
}

/** Tells who leads, and what it proclaims, until the client goes. */
class Observer {
  readonly #options: QueueOptions;
  readonly #queue: KeyQueue;
  readonly #call: AnswerCall<LeaderResponse>;

  constructor(options: QueueOptions, { name }: LeaderRequest, call: AnswerCall<LeaderResponse>) {
    this.#options = options;
    this.#queue = new KeyQueue(name, options);
    this.#call = call;
  }

  async run(): Promise<never> {
    for (;;) {
      try {
        await this.#tellOne();
      } catch (error) {
        // What has happened since is forgotten: it is looked at anew.
        if (!isHoldfastError(error, 'compacted')) throw error;
      }
    }
  }

  /** One reign, or the time without one. */
  async #tellOne(): Promise<void> {
    const { header, body: kv } = await this.#queue.first(this.#call);
    if (!kv) return await this.#untilPut(header);
    await this.#tell(header, kv);
    await this.#follow(header, kv);
  }

  /** All that the leader proclaims, until its key is deleted. */
  async #follow(header: ResponseHeader, { key }: KeyValue): Promise<void> {
    for await (const { revision, event } of this.#events(key, header.revision)) {
      if (event.type === 'delete') return;
      await this.#tell({ ...header, revision }, event.kv);
    }
  }

  async #untilPut({ revision }: ResponseHeader): Promise<void> {
    const { key, rangeEnd } = this.#queue.range;
    for await (const { event } of this.#events(key, revision, rangeEnd)) {
      if (event.type === 'put') return;
    }
  }

  async *#events(key: Uint8Array, after: Revision, rangeEnd: Uint8Array = emptyBytes) {
    const startRevision = (after + 1) as Revision;
    const request = { keyspace: kvKeyspace, key, rangeEnd, startRevision };
    for await (const item of await this.#options.engine().watch(request, this.#call)) {
      if (item.type !== 'events') continue;
      for (const event of item.events) yield { revision: item.revision, event };
    }
  }

  async #tell(header: ResponseHeader, kv: KeyValue): Promise<void> {
    await this.#call.send({ header: headerOf(header), kv });
  }
}

function required(mine: LeaderKey | undefined): LeaderKey {
  if (!mine) throw new GrpcStatus(statusCodes.invalidArgument, '"leader" field must be provided');
  if (mine.key.length === 0) throw etcdStatus('emptyKey');
  return mine;
}

const notLeader = (): GrpcStatus => new GrpcStatus(statusCodes.unknown, 'election: not leader');
