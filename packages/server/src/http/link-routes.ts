// `/v1/connections` and `/v1/breakers`: what this member knows of its connections to its peers, and
// the means to end them and to let calls through again. Each answers from what stands here;
// none ever waits on a peer. What an operator does is in the log, with who did it.
import { HoldfastError } from '@holdfast/base/errors';
import { formatId, type MemberId } from '@holdfast/base/ids';
import type { PeerLinkStatus } from '@holdfast/transport/peer-link-status';
import type { PeerMeshStatus } from '@holdfast/transport/peer-mesh';
import type { TransportSettings } from '@holdfast/transport/transport-settings';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type TSchema, Type } from 'typebox';

import type { Log } from '../log.ts';
import { actorOf } from './caller.ts';
import type { HttpContext } from './http-context.ts';
import { breakerView, type Clocks, connectionViews, type NameOf } from './link-view.ts';
import { responses } from './schemas.ts';

/** The connections of a member to its peers, as far as these routes go. */
export interface PeerLinks {
  readonly status: PeerMeshStatus;
  readonly settings: TransportSettings;
  /** Ends the connections to that peer, or to all. How many stood. */
  evict(peer?: MemberId): number;
  /** Closes that peer's breaker, or all. */
  resetBreakers(peer?: MemberId): void;
}

export type LinkRouteOptions = {
  /** Undefined while there is no engine. */
  readonly links: () => PeerLinks | undefined;
  readonly nameOf: NameOf;
  readonly log: Pick<Log, 'info'>;
};

export function linkRoutes(
  app: FastifyInstance,
  context: HttpContext,
  options: LinkRouteOptions,
): void {
  const door = new LinkDoor(context, options);
  connectionRoutes(app, door);
  breakerRoutes(app, door);
}

const tags = ['connections'];
const text = (description: string) => Type.String({ description });
const natural = (description: string) => Type.Integer({ minimum: 0, description });
const maybe = (type: TSchema) => Type.Union([type, Type.Null()]);

const memberSchema = { member: text('whose view this is'), memberId: Type.String() };
const peerSchema = { peer: text('its name'), peerId: Type.String() };
const peerParams = Type.Object({ peer: text('name or id of a peer') });

const connectionSchema = Type.Object({
  ...peerSchema,
  address: Type.String(),
  purpose: text('control, log or bulk'),
  state: text('healthy, degraded or dead'),
  failures: natural('in a row'),
  reason: maybe(text('of the last failure; null while healthy')),
  idleSeconds: maybe(Type.Number({ description: 'since a frame was last sent for somebody' })),
  lastSuccessAgeMs: maybe(natural('since the peer last answered here')),
  lastCheckAgeMs: maybe(natural('since it was last judged')),
  open: Type.Boolean({ description: 'a connection stands' }),
  openSince: maybe(text('ISO 8601')),
  openForMs: maybe(natural('how long it has stood')),
  breaker: text("the peer's: closed, open or half-open"),
});

const breakerSchema = Type.Object({
  ...peerSchema,
  state: text('closed, open or half-open'),
  failures: maybe(natural('calls in a row that failed; counted while it is closed')),
  reason: maybe(text('why it opened, or of the last failure')),
  openForMs: maybe(natural('since it opened')),
  halfOpenInMs: maybe(natural('until a call is let through as a probe; 0: the next one is')),
});

function connectionRoutes(app: FastifyInstance, door: LinkDoor): void {
  const url = '/v1/connections';
  const list = Type.Object({ ...memberSchema, connections: Type.Array(connectionSchema) });
  const ended = Type.Object({ ...memberSchema, evicted: natural('connections that ended') });
  const again = 'They are dialled anew at once, or when they are needed; nothing is lost.';
  app.get(
    url,
    {
      schema: {
        tags,
        summary: 'The connections of this member to its peers, with their health',
        response: responses(list),
      },
    },
    () => ({ ...door.member, connections: door.connections() }),
  );
  app.delete(
    url,
    {
      schema: {
        tags,
        summary: 'End all connections of this member to its peers',
        description: again,
        response: responses(ended),
      },
    },
    (request) => ({ ...door.member, evicted: door.evict(request) }),
  );
  app.delete<{ Params: { peer: string } }>(
    `${url}/:peer`,
    {
      schema: {
        tags,
        summary: 'End the connections of this member to one peer',
        description: again,
        params: peerParams,
        response: responses(ended),
      },
    },
    (request) => ({ ...door.member, evicted: door.evict(request, request.params.peer) }),
  );
}

function breakerRoutes(app: FastifyInstance, door: LinkDoor): void {
  const url = '/v1/breakers';
  const list = Type.Object({ ...memberSchema, breakers: Type.Array(breakerSchema) });
  const closed = Type.Object({ ...memberSchema, reset: natural('breakers that were not closed') });
  app.get(
    url,
    {
      schema: {
        tags,
        summary: 'Which peers this member has set aside, and why',
        response: responses(list),
      },
    },
    () => ({ ...door.member, breakers: door.breakers() }),
  );
  app.post(
    `${url}/reset`,
    {
      schema: {
        tags,
        summary: 'Close all breakers of this member: calls are let through again',
        response: responses(closed),
      },
    },
    (request) => ({ ...door.member, reset: door.reset(request) }),
  );
  app.post<{ Params: { peer: string } }>(
    `${url}/:peer/reset`,
    {
      schema: {
        tags,
        summary: 'Close the breaker of one peer: calls to it are let through again',
        params: peerParams,
        response: responses(closed),
      },
    },
    (request) => ({ ...door.member, reset: door.reset(request, request.params.peer) }),
  );
}

/** What the routes do, once they know what is asked. */
class LinkDoor {
  readonly #context: HttpContext;
  readonly #options: LinkRouteOptions;

  constructor(context: HttpContext, options: LinkRouteOptions) {
    this.#context = context;
    this.#options = options;
  }

  get member() {
    const { name, memberId } = this.#context.slot.engine.status();
    return { member: name, memberId: formatId(memberId) };
  }

  connections() {
    const { nameOf } = this.#options;
    return this.#links.status.peers.flatMap((peer) => connectionViews(peer, nameOf, this.#clocks));
  }

  breakers() {
    const { nameOf } = this.#options;
    const { status, settings } = this.#links;
    const { openMs } = settings.breaker;
    return status.peers.map((one) => breakerView(one, nameOf, { ...this.#clocks, openMs }));
  }

  evict(request: FastifyRequest, name?: string): number {
    const { links, peer, who } = this.#asked(request, name);
    const evicted = links.evict(peer?.peer);
    this.#options.log.info({ ...who, evicted }, 'an operator ended connections to peers');
    return evicted;
  }

  reset(request: FastifyRequest, name?: string): number {
    const { links, peer, who } = this.#asked(request, name);
    const peers = peer ? [peer] : links.status.peers;
    const reset = peers.filter(({ breaker }) => breaker.name !== 'closed').length;
    links.resetBreakers(peer?.peer);
    this.#options.log.info({ ...who, reset }, 'an operator closed breakers');
    return reset;
  }

  /** While the engine starts or ends, refused as every other call. */
  get #links(): PeerLinks {
    const { slot } = this.#context;
    const links = slot.engine && this.#options.links();
    if (links) return links;
    throw new HoldfastError('unavailable', 'this member has no connections yet');
  }

  get #clocks(): Clocks {
    const { clock } = this.#context;
    return { nowMs: clock.monotonicMs(), wallMs: clock.wallMs() };
  }

  #asked(request: FastifyRequest, name: string | undefined) {
    const actor = actorOf(request.raw);
    const links = this.#links;
    const peer = name === undefined ? undefined : this.#peerNamed(links, name);
    return { links, peer, who: { actor, peer: peer ? this.#options.nameOf(peer.peer) : 'all' } };
  }

  /** By name, or by id. Throws `not-found`. */
  #peerNamed(links: PeerLinks, name: string): PeerLinkStatus {
    const { nameOf } = this.#options;
    const { peers } = links.status;
    const byId = name.toLowerCase();
    const found =
      peers.find(({ peer }) => nameOf(peer) === name) ??
      peers.find(({ peer }) => formatId(peer) === byId);
    if (found) return found;
    const known = peers.map(({ peer }) => nameOf(peer)).join(', ') || 'it has none';
    const message = `${JSON.stringify(name)} is no peer of ${this.member.member}; peers: ${known}`;
    throw new HoldfastError('not-found', message);
  }
}
