// For tests: two members' transports on the memory network, whose time is advanced by hand, and a
// door that shows and steers the connections of the first.
import { utf8 } from '@holdfast/base/bytes';
import { clusterId, index, type MemberId, memberId, storeId, term } from '@holdfast/base/ids';
import { ManualClock } from '@holdfast/base/manual-clock';
import { SeededRandom } from '@holdfast/base/seeded-random';
import { TcpPeerTransport } from '@holdfast/engine/peer-transport';
import type { PeerHandler } from '@holdfast/replica/ports';
import { MemoryNetwork } from '@holdfast/transport/memory-link';

import { linkRoutes } from './http/link-routes.ts';
import { settingRoutes } from './http/setting-routes.ts';
import { type TestDoor, testDoor } from './http/test-door.fixture.ts';
import { linkMetrics } from './link-metrics.ts';
import { LiveSettings } from './live-settings.ts';
import type { Log } from './log.ts';
import { PeerLog } from './peer-log.ts';
import { type Family, parseScrape } from './prometheus-scrape.fixture.ts';
import { readSettings } from './settings.ts';

const handler: PeerHandler = {
  onMessage: () => undefined,
  onForward: () => undefined,
  onForwarded: () => undefined,
  onPeerEvent: () => undefined,
  onSnapshot: () => Promise.resolve(),
};

const [a, b] = [memberId(1n), memberId(2n)];

export class TransportPair {
  readonly clock = new ManualClock();
  readonly network = new MemoryNetwork(this.clock, { latencyMs: () => 1 });
  /** What the first member's log was told: level, text, and what stands beside it. */
  readonly lines: { level: string; text: string; facts: Record<string, unknown> }[] = [];
  readonly peerLog: PeerLog;
  readonly near: TcpPeerTransport;
  readonly far: TcpPeerTransport;
  readonly door: TestDoor;

  constructor(flags: Readonly<Record<string, string>> = {}) {
    const settings = readSettings(flags, {});
    const level = (name: string) => (facts: Record<string, unknown>, text: string) =>
      void this.lines.push({ level: name, text, facts });
    const levels = { debug: level('debug'), info: level('info'), warn: level('warn') };
    const log = levels as unknown as Log;
    const { clock } = this;
    const members = [a, b].map((id) => {
      return { memberId: id, name: `n${id}`, peerAddress: `h${id}:4654` };
    });
    this.peerLog = new PeerLog({ clock, log, members: () => members });
    const live = new LiveSettings({
      settings,
      apply: ({ connections }) => this.near.changeSettings(connections),
    });
    this.near = this.#transport(a, {
      settings: settings.connections,
      onNote: (note) => this.peerLog.note(note),
      onUnreachable: (peer, reason) => this.peerLog.unreachable(peer, reason),
    });
    this.far = this.#transport(b);
    const nameOf = (id: MemberId): string => this.peerLog.nameOf(id);
    const links = { links: () => this.near, nameOf, log };
    this.door = testDoor({
      clock,
      routes: [
        (app, context) => linkRoutes(app, context, links),
        (app) => settingRoutes(app, { settings: live, log }),
      ],
    });
  }

  async start(): Promise<void> {
    await this.far.start(handler);
    await this.near.start(handler);
    await this.pass(600);
  }

  pass(ms: number): Promise<void> {
    return this.clock.advanceAsync(ms);
  }

  /** The second member is as if its power had gone, or is back. */
  darken(): void {
    this.network.block('h1', 'h2');
    this.network.block('h2', 'h1');
  }

  lighten(): void {
    this.network.unblock('h1', 'h2');
    this.network.unblock('h2', 'h1');
  }

  /** Something for the log connection to carry. */
  append(): void {
    this.near.send({
      ...{ type: 'append-entries', from: a, to: b, term: term(3), commit: index(1) },
      isNotice: false,
      previous: { index: index(1), term: term(1) },
      entries: [{ index: index(2), term: term(3), kind: 'command', payload: utf8('x') }],
    });
  }

  ask(method: 'GET' | 'POST' | 'PATCH' | 'DELETE', url: string, payload?: object) {
    return this.door.app.inject({ method, url, ...(payload && { payload }) });
  }

  scrape(): ReadonlyMap<string, Family> {
    const lines = linkMetrics(this.near.status, (id) => this.peerLog.nameOf(id));
    return parseScrape(`${lines.join('\n')}\n`);
  }

  /** Of a figure without labels. */
  figure(name: string): number | undefined {
    return this.scrape().get(name)?.samples.get(name);
  }

  async close(): Promise<void> {
    const closing = Promise.all([this.near.close(), this.far.close(), this.door.app.close()]);
    await this.pass(1000);
    await closing;
  }

  #transport(
    id: MemberId,
    more: Partial<ConstructorParameters<typeof TcpPeerTransport>[0]> = {},
  ): TcpPeerTransport {
    return new TcpPeerTransport({
      network: this.network.host(`h${id}`),
      clock: this.clock,
      random: new SeededRandom(Number(id)),
      identity: { clusterId: clusterId(1n), memberId: id, storeId: storeId(id), bootEpoch: 1 },
      name: `n${id}`,
      listenAddress: `h${id}:4654`,
      peers: [a, b].map((one) => ({ memberId: one, address: `h${one}:4654` })),
      ...more,
    });
  }
}
