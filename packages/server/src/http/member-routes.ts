// Changes of the members: `/v1/members` takes machines in, removes them, and says who votes;
// `/v1/leader` hands leadership on. Any member takes them and asks the leader. Each can be asked
// again, and what an operator does is in the log, with who did it.
import { HoldfastError } from '@holdfast/base/errors';
import { formatId, type MemberId, memberId, storeId } from '@holdfast/base/ids';
import type { EmbeddedEngine } from '@holdfast/engine/embedded-engine';
import type { MemberChange, Newcomer } from '@holdfast/engine/member-plan';
import { MemberStanding } from '@holdfast/proto/internal';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type Static, Type } from 'typebox';

import { fulfilAnnouncement } from '../etcd/announcements.ts';
import type { Log } from '../log.ts';
import { type Call, withCall } from './call.ts';
import { invalid } from './call-options.ts';
import type { HttpContext } from './http-context.ts';
import { memberFields, memberFieldsOf, responses } from './schemas.ts';

export type MemberRouteOptions = {
  /** Undefined while there is none. */
  readonly engine: () => EmbeddedEngine | undefined;
  readonly log: Pick<Log, 'info'>;
};

const tags = ['member'];
const text = (description: string) => Type.String({ description });

const newcomerSchema = Type.Object({
  id: text('its member id, 16 hexadecimal digits; never used before'),
  storeId: text('of its data directory, 16 hexadecimal digits'),
  name: text('no other member has it'),
  peerAddress: text('HOST:PORT where the others reach it'),
  version: Type.Integer({ minimum: 1, description: 'of the cluster, the newest that it knows' }),
});

/** A mistyped kind of change must not make another of the rest. */
const changesSchema = Type.Object(
  {
    remove: Type.Optional(Type.Array(Type.String(), { description: 'by name or id' })),
    promote: Type.Optional(Type.Array(Type.String(), { description: 'observers that shall vote' })),
    demote: Type.Optional(
      Type.Array(Type.String(), { description: 'voters that shall only observe' }),
    ),
  },
  { additionalProperties: false },
);

const membersSchema = Type.Object({
  clusterId: Type.String(),
  members: Type.Array(Type.Object(memberFields)),
});

const admittedSchema = Type.Object({
  ...membersSchema.properties,
  isLearner: Type.Optional(
    Type.Boolean({ description: 'it was announced as one, and is not to ask for its vote' }),
  ),
});

const params = Type.Object({ member: text('name or id') });
type Params = { readonly Params: { readonly member: string } };

export function memberRoutes(
  app: FastifyInstance,
  context: HttpContext,
  options: MemberRouteOptions,
): void {
  const desk = new MemberDesk(context, options);
  addRoute(app, desk);
  changeRoutes(app, desk);
  transferRoute(app, desk);
}

function addRoute(app: FastifyInstance, desk: MemberDesk): void {
  app.post<{ Body: Static<typeof newcomerSchema> }>(
    '/v1/members',
    {
      schema: {
        tags,
        summary: 'Take a machine in, as an observer',
        description: 'What `holdfast start --join` asks. It votes when it has caught up.',
        body: newcomerSchema,
        response: responses(admittedSchema),
      },
    },
    (request) => {
      const { id, storeId: store, ...rest } = request.body;
      const newcomer = { ...rest, memberId: memberId(idOf(id)), storeId: storeId(idOf(store)) };
      return desk.admit(request, newcomer);
    },
  );
}

function changeRoutes(app: FastifyInstance, desk: MemberDesk): void {
  const response = responses(membersSchema);
  app.post<{ Body: Static<typeof changesSchema> }>(
    '/v1/members/changes',
    {
      schema: {
        tags,
        summary: 'Several changes at once: all or none',
        description: 'As to replace a machine: promote the new one and remove the old one.',
        body: changesSchema,
        response,
      },
    },
    (request) => desk.change(request, desk.changesOf(request.body)),
  );
  app.delete<Params>(
    '/v1/members/:member',
    {
      schema: {
        tags,
        summary: 'Remove a member for good',
        description: 'Refused where that would cost the cluster its majority.',
        params,
        response,
      },
    },
    (request) => desk.change(request, desk.changesOf({ remove: [request.params.member] })),
  );
  app.post<Params>(
    '/v1/members/:member/promote',
    { schema: { tags, summary: 'Let an observer vote', params, response } },
    (request) => desk.change(request, desk.changesOf({ promote: [request.params.member] })),
  );
  app.post<Params>(
    '/v1/members/:member/demote',
    { schema: { tags, summary: 'Let a voter only observe', params, response } },
    (request) => desk.change(request, desk.changesOf({ demote: [request.params.member] })),
  );
}

function transferRoute(app: FastifyInstance, desk: MemberDesk): void {
  const to = Type.Optional(text('name or id of a voter; default: whichever is best'));
  const body = Type.Object({ to }, { additionalProperties: false });
  app.post<{ Body: Static<typeof body> }>(
    '/v1/leader/transfer',
    {
      schema: {
        tags,
        summary: 'Hand leadership to another voter',
        body,
        response: responses(Type.Object({ leader: Type.String(), name: Type.String() })),
      },
    },
    (request) => desk.transfer(request, request.body.to),
  );
}

/** What the routes do, once they know what is asked. */
class MemberDesk {
  readonly #context: HttpContext;
  readonly #options: MemberRouteOptions;

  constructor(context: HttpContext, options: MemberRouteOptions) {
    this.#context = context;
    this.#options = options;
  }

  changesOf(asked: Static<typeof changesSchema>): readonly MemberChange[] {
    const of = (kind: 'remove' | 'promote' | 'demote') =>
      (asked[kind] ?? []).map((member): MemberChange => ({ kind, id: this.#idOf(member) }));
    return [...of('remove'), ...of('promote'), ...of('demote')];
  }

  async change(request: FastifyRequest, changes: readonly MemberChange[]) {
    const engine = this.#engine;
    await withCall(this.#context, { request }, async (call) => {
      this.#tell(call, { changes: changes.map((one) => wordsOf(one, engine)) });
      await engine.membership.change(changes, call);
    });
    return membersView(engine);
  }

  /** Who has announced it, by etcd's API, is to find it again. */
  async admit(request: FastifyRequest, newcomer: Newcomer) {
    const view = await this.change(request, [{ kind: 'add', newcomer }]);
    const isLearner = await withCall(this.#context, { request }, (call) =>
      fulfilAnnouncement(this.#engine, newcomer, call.plainWrite),
    );
    return { ...view, isLearner };
  }

  async transfer(request: FastifyRequest, member: string | undefined) {
    const engine = this.#engine;
    const to = member === undefined ? undefined : this.#idOf(member);
    const leader = await withCall(this.#context, { request }, (call) => {
      this.#tell(call, { to: to === undefined ? 'the best' : engine.nameOf(to) });
      return engine.membership.transfer(to, call);
    });
    return { leader: formatId(leader), name: engine.nameOf(leader) };
  }

  #tell({ actor }: Call, what: Readonly<Record<string, unknown>>): void {
    this.#options.log.info({ actor, ...what }, 'an operator changes the members or their leader');
  }

  /** While the engine starts or ends, refused as every other call. */
  get #engine(): EmbeddedEngine {
    const { slot } = this.#context;
    const engine = slot.engine && this.#options.engine();
    if (engine) return engine;
    throw new HoldfastError('unavailable', 'this member is starting');
  }

  /** Of the members, then of those that were removed: to ask again is no mistake. */
  #idOf(member: string): MemberId {
    const engine = this.#engine;
    const { peers } = engine.status();
    const byId = member.toLowerCase();
    const found =
      peers.find(({ name }) => name === member) ??
      peers.find((peer) => formatId(peer.memberId) === byId);
    if (found) return found.memberId;
    const gone = engine.store
      .members()
      .filter(({ standing }) => standing === MemberStanding.REMOVED)
      .findLast((one) => one.name === member || formatId(one.memberId) === byId);
    if (gone) return memberId(gone.memberId);
    const known = peers.map(({ name }) => name).join(', ');
    throw new HoldfastError(
      'not-found',
      `${JSON.stringify(member)} is no member of this cluster; its members are ${known}`,
    );
  }
}

function membersView(engine: EmbeddedEngine) {
  const { clusterId, peers } = engine.status();
  return { clusterId: formatId(clusterId), members: peers.map(memberFieldsOf) };
}

const wordsOf = (change: MemberChange, engine: EmbeddedEngine): string =>
  change.kind === 'add'
    ? `add ${change.newcomer.name} at ${change.newcomer.peerAddress}`
    : `${change.kind} ${engine.nameOf(change.id)}`;

function idOf(digits: string): bigint {
  const id = /^[0-9a-f]{16}$/.test(digits) ? BigInt(`0x${digits}`) : 0n;
  if (id !== 0n) return id;
  throw invalid(`an id is 16 hexadecimal digits, not ${JSON.stringify(digits)}`);
}
