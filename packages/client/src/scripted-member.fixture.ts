// For the tests of frames: a member on the memory network that keeps what it is asked, and says
// what the test says.
import type { Clock } from '@holdfast/base/clock';
import {
  HelloResponse,
  Requests,
  type Response,
  Responses,
  WatchEvents,
  type WatchOrder,
  WatchOrders,
  type WatchReport,
  WatchReports,
} from '@holdfast/proto/client';
import { clientDialect, frameKinds } from '@holdfast/transport/frame';
import { FrameLink } from '@holdfast/transport/frame-link';
import type { LinkListener, LinkNetwork } from '@holdfast/transport/link';
import { MemoryNetwork } from '@holdfast/transport/memory-link';

type Request = Requests['requests'][number];

export type ScriptedHello = Partial<HelloResponse> & { readonly isMute?: boolean };

type Told = { readonly keys: readonly string[]; readonly hasMore?: boolean };

export class ScriptedMember {
  readonly asked: Request[] = [];
  readonly orders: WatchOrder[] = [];
  /** Of requests. */
  frames = 0;
  /** Payload of any frame, in bytes. */
  longest = 0;
  connections = 0;
  link: FrameLink | undefined;
  hello: ScriptedHello;
  /** To each request; undefined: nothing by itself. */
  respond: ((request: Request) => Response['response']) | undefined;
  #listener: LinkListener | undefined;

  constructor(hello: ScriptedHello = {}) {
    this.hello = hello;
  }

  async listen(host: LinkNetwork, address: string): Promise<void> {
    this.#listener = await host.listen(address, (link) => {
      this.connections += 1;
      this.accept(
        new FrameLink({
          ...{ link, dialect: clientDialect, queueBytesMax: 1e9, strangerBytesMax: 1e9 },
          afterEvent: (action) => host.afterEvent(action),
        }),
      );
    });
  }

  async unlisten(): Promise<void> {
    await this.#listener?.close();
  }

  accept(link: FrameLink): void {
    this.link = link;
    link.open({
      onEnd: () => undefined,
      onFrame: ({ kind, payload }) => {
        this.longest = Math.max(this.longest, payload.length);
        if (kind === frameKinds.clientHello) return this.#welcome(link);
        if (kind === frameKinds.clientWatchOrders) {
          this.orders.push(...WatchOrders.decode(payload).orders);
          return;
        }
        this.#heed(Requests.decode(payload).requests);
      },
    });
  }

  answer(...responses: readonly Pick<Response, 'id' | 'response'>[]): void {
    const all = responses.map((one) => ({ revision: 7, term: 1, ageMsPlusOne: 0, ...one }));
    this.link?.send(frameKinds.clientResponses, Responses.encode({ responses: all }).finish());
  }

  report(id: number, report: WatchReport['report']): void {
    const payload = WatchReports.encode({ reports: [{ id, report }] }).finish();
    this.link?.send(frameKinds.clientWatchReports, payload);
  }

  /** Puts of these keys, all in one revision; answers how long that was. */
  tell(id: number, revision: number, told: Told): number {
    const { keys, hasMore = false } = told;
    const numbers = { createRevision: revision, modRevision: revision, version: 1, lease: 0n };
    const events = keys.map((key) => ({
      ...{ isDelete: false, prevKv: undefined },
      kv: { key: Buffer.from(key), value: Buffer.from('v'), ...numbers },
    }));
    const value = WatchEvents.encode({ revision, events, hasMore }).finish();
    this.report(id, { $case: 'events', value });
    return value.length;
  }

  #heed(requests: readonly Request[]): void {
    this.frames += 1;
    this.asked.push(...requests);
    const { respond } = this;
    if (respond) this.answer(...requests.map((one) => ({ id: one.id, response: respond(one) })));
  }

  #welcome(link: FrameLink): void {
    const { isMute = false, ...more } = this.hello;
    if (isMute) return;
    const hello = { protocolVersion: 1, clusterId: 5n, memberId: 9n, memberName: 'n1' };
    const limits = { features: 3, inFlightMax: 4, refusal: undefined, frameBytesMax: 0 };
    const payload = HelloResponse.encode({ ...hello, ...limits, ...more }).finish();
    link.send(frameKinds.clientHelloResponse, payload);
  }
}

/** A member that listens at `member:1`, and the network as its client has it. */
export async function scriptedMember(clock: Clock, hello: ScriptedHello = {}) {
  const network = new MemoryNetwork(clock);
  const member = new ScriptedMember(hello);
  const host = network.host('member');
  await member.listen(host, 'member:1');
  return { network, host, client: network.host('client'), member };
}
