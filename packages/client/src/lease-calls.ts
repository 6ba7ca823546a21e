// The lease calls, in both of their forms: in frames (lease-frames.ts), and over `/v1/leases`.
import type { Call, Reply } from './caller.ts';
import type { CallOptions, ReadOptions } from './config-api.ts';
import type { HeldLease, LeaseApi, LeaseGrant, LeaseStatus, LeaseTime } from './lease-api.ts';
import {
  grantFrame,
  grantOf,
  keepAliveFrame,
  leasesFrame,
  leasesOf,
  revokedBy,
  revokeFrame,
  statusOf,
  timeFrame,
  timeOf as timeOfFrame,
} from './lease-frames.ts';
import { LeaseKeeper } from './lease-keeper.ts';
import { freshness, pathOf, queryText } from './query.ts';
import { jsonBody, jsonOf, limitsOf, type Session, send } from './session.ts';

type StatusView = LeaseTime & {
  readonly keys?: readonly { readonly key: string | null; readonly keyBase64: string }[];
};

export class LeaseCalls implements LeaseApi {
  readonly #session: Session;
  /** Of the answers that were given out: when their calls were sent. */
  readonly #sentMs = new WeakMap<LeaseGrant, number>();

  constructor(session: Session) {
    this.#session = session;
  }

  async grant(
    ttlMs: number,
    options: CallOptions & { readonly id?: string | undefined } = {},
  ): Promise<LeaseGrant> {
    const sentMs = this.#session.clock.monotonicMs();
    const reply = await send(this.#session, {
      kind: 'once',
      method: 'POST',
      path: '/v1/leases',
      ...jsonBody({ ttlMs, id: options.id }),
      ...limitsOf(options),
      frame: grantFrame(ttlMs, options.id),
    });
    const { response } = reply;
    const { id, ttlMs: granted } = response ? grantOf(response) : jsonOf<LeaseGrant>(reply);
    const lease = { id, ttlMs: granted };
    this.#sentMs.set(lease, sentMs);
    return lease;
  }

  async revoke(id: string, options: CallOptions = {}): Promise<{ readonly deleted: number }> {
    const call: Call = {
      kind: 'once',
      method: 'DELETE',
      path: leasePath(id),
      ...limitsOf(options),
      frame: revokeFrame(id),
    };
    const reply = await send(this.#session, call);
    if (reply.response) return revokedBy(reply.response);
    const { deleted } = jsonOf<{ deleted: number }>(reply);
    return { deleted };
  }

  /**
   * Sent as a read is, to the next member too where one is silent: it writes nothing, and a lease
   * may be shorter than the wait for a frozen member.
   */
  async keepAlive(id: string, options: CallOptions = {}): Promise<LeaseTime> {
    const path = `${leasePath(id)}/keep-alive`;
    const frame = keepAliveFrame(id);
    const call: Call = { kind: 'read', method: 'POST', path, ...limitsOf(options), frame };
    const sentMs = this.#session.clock.monotonicMs();
    const time = timeOf(await send(this.#session, call));
    this.#sentMs.set(time, sentMs);
    return time;
  }

  async timeToLive(
    id: string,
    options: CallOptions & { readonly keys?: boolean | undefined } = {},
  ): Promise<LeaseStatus> {
    const path = `${leasePath(id)}${queryText({ keys: options.keys })}`;
    const frame = timeFrame(id, options.keys ?? false);
    const call: Call = { kind: 'read', method: 'GET', path, ...limitsOf(options), frame };
    const reply = await send(this.#session, call);
    if (reply.response) return statusOf(reply.response, options.keys ?? false);
    const { keys } = jsonOf<StatusView>(reply);
    const names = keys?.map((one) => one.key ?? Buffer.from(one.keyBase64, 'base64').toString());
    return { ...timeOf(reply), keys: names };
  }

  async list(
    options: ReadOptions & { readonly limit?: number | undefined } = {},
  ): Promise<{ readonly ids: readonly string[]; readonly count: number }> {
    const path = `/v1/leases${queryText({ ...freshness(options), limit: options.limit })}`;
    const frame = leasesFrame(options);
    const call: Call = { kind: 'read', method: 'GET', path, ...limitsOf(options), frame };
    const reply = await send(this.#session, call);
    if (reply.response) return leasesOf(reply.response);
    const { ids, count } = jsonOf<{ ids: string[]; count: number }>(reply);
    return { ids, count };
  }

  hold(lease: LeaseGrant): HeldLease {
    const { clock, random } = this.#session;
    const sentMs = this.#sentMs.get(lease) ?? clock.monotonicMs();
    return new LeaseKeeper(lease, sentMs, { leases: this, clock, random });
  }
}

const leasePath = (id: string): string => `/v1/leases${pathOf(id)}`;

function timeOf(reply: Reply): LeaseTime {
  if (reply.response) return timeOfFrame(reply.response);
  const { id, ttlMs, remainingMs } = jsonOf<LeaseTime>(reply);
  return { id, ttlMs, remainingMs };
}
