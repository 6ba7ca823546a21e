// For tests: meshes of a few members on any network, and what each of them heard.
import { utf8 } from '@holdfast/base/bytes';
import type { Clock } from '@holdfast/base/clock';
import { type ClusterId, clusterId, type MemberId, memberId, storeId } from '@holdfast/base/ids';
import { ManualClock } from '@holdfast/base/manual-clock';
import { SeededRandom } from '@holdfast/base/seeded-random';
import type { SnapshotBegin } from '@holdfast/proto/peer';
import { frameKinds } from './frame.ts';
import type { PeerIdentity } from './handshake.ts';
import type { LinkNetwork } from './link.ts';
import type { LinkNote } from './link-note.ts';
import { MemoryNetwork, type MemoryNetworkOptions } from './memory-link.ts';
import type { PeerLinkStatus } from './peer-link-status.ts';
import {
  type PeerAddress,
  PeerMesh,
  type PeerMeshHandler,
  type PeerMeshOptions,
} from './peer-mesh.ts';
import type { ChunksFrom } from './snapshot-receiver.ts';

export const testCluster: ClusterId = clusterId(0xc1n);

export const identityOf = (id: number, bootEpoch = 1): PeerIdentity => ({
  clusterId: testCluster,
  memberId: memberId(BigInt(id)),
  storeId: storeId(BigInt(id * 1000)),
  bootEpoch,
  bootId: 1n,
  name: `n${id}`,
});

export const idOf = (id: number): MemberId => memberId(BigInt(id));

export const beginOf = (bytes: number): SnapshotBegin => ({
  snapshot: { last: { index: 7, term: 2 }, configuration: new Uint8Array([1]) },
  bytes,
  stateHash: 5n,
  checksum: 9,
});

/** One member's mesh, with everything that its owner would have been told. */
export class TestMember implements PeerMeshHandler {
  readonly mesh: PeerMesh;
  readonly frames: string[] = [];
  readonly events: string[] = [];
  readonly strangers: string[] = [];
  readonly notes: LinkNote[] = [];
  /** Why peers could not be had. */
  readonly reasons: string[] = [];
  /** Replaced by tests of snapshots. */
  acceptSnapshot: PeerMeshHandler['onSnapshot'] = () => Promise.resolve();
  /** Replaced by tests of questions; says it back as it came. */
  answer: (body: Uint8Array) => Promise<Uint8Array> = (body) => Promise.resolve(body);
  #waiting: { readonly test: () => boolean; readonly resolve: () => void }[] = [];

  constructor(
    id: number,
    world: { readonly network: LinkNetwork; readonly clock: Clock },
    options: Partial<PeerMeshOptions> & { readonly peers: readonly PeerAddress[] },
  ) {
    this.mesh = new PeerMesh({
      ...world,
      random: new SeededRandom(id),
      identity: identityOf(id),
      listenAddress: `h${id}:4654`,
      onStranger: (_address, reason) => {
        this.strangers.push(reason);
        this.#check();
      },
      onNote: (note) => void this.notes.push(note),
      ...options,
    });
  }

  start(): Promise<void> {
    return this.mesh.start(this);
  }

  /** What is known of the peer, for tests that have set it. */
  statusOf(peer: number): PeerLinkStatus {
    const status = this.mesh.status.peers.find((one) => one.peer === idOf(peer));
    if (!status) throw new Error(`no link to ${peer}`);
    return status;
  }

  send(to: number, text: string, on: 'control' | 'log' = 'control'): void {
    this.mesh.send(idOf(to), on, { kind: frameKinds.message, payload: utf8(text) });
  }

  /** Resolves when `test` holds; looked at after each thing that this member hears. */
  until(test: () => boolean): Promise<void> {
    if (test()) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ test, resolve }));
  }

  connectedTo(peer: number): Promise<void> {
    return this.until(() => this.events.some((event) => event.startsWith(`connected ${peer}`)));
  }

  onFrame(from: MemberId, { payload }: { readonly payload: Uint8Array }): void {
    this.frames.push(`${from}:${Buffer.from(payload).toString()}`);
    this.#check();
  }

  onPeerEvent(event: Parameters<PeerMeshHandler['onPeerEvent']>[0]): void {
    if (event.type === 'connected') this.events.push(`connected ${event.peer} ${event.bootEpoch}`);
    else {
      this.events.push(`${event.refused ? 'refused' : 'unreachable'} ${event.peer}`);
      this.reasons.push(event.reason);
    }
    this.#check();
  }

  onAsk(_from: MemberId, body: Uint8Array): Promise<Uint8Array> {
    return this.answer(body);
  }

  onSnapshot(from: MemberId, begin: SnapshotBegin, chunksFrom: ChunksFrom): Promise<void> {
    return this.acceptSnapshot(from, begin, chunksFrom);
  }

  #check(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const one of waiting) {
      if (one.test()) one.resolve();
      else this.#waiting.push(one);
    }
  }
}

/** Members 1 and 2 on the memory network, and the time in which they live. */
export class World {
  readonly clock = new ManualClock();
  readonly network: MemoryNetwork;
  readonly members: TestMember[] = [];

  constructor(options: MemoryNetworkOptions = {}) {
    const usual = { latencyMs: () => 1, pieceBytesMax: 50_000 };
    this.network = new MemoryNetwork(this.clock, { ...usual, ...options });
  }

  /** A member that knows members 1 and 2, started. */
  async start(id: number, options: Partial<PeerMeshOptions> = {}): Promise<TestMember> {
    const network = this.network.host(`h${id}`);
    const peers = [1, 2].map((one) => ({ memberId: idOf(one), address: `h${one}:4654` }));
    const member = new TestMember(id, { network, clock: this.clock }, { peers, ...options });
    this.members.push(member);
    await member.start();
    return member;
  }

  async pair(options: Partial<PeerMeshOptions> = {}): Promise<[TestMember, TestMember]> {
    const first = await this.start(1, options);
    const second = await this.start(2, options);
    await this.pass(600);
    return [first, second];
  }

  pass(ms: number): Promise<void> {
    return this.clock.advanceAsync(ms);
  }

  /** Milliseconds until `test` holds, to the next ten; throws when it does not in a minute. */
  async until(test: () => boolean): Promise<number> {
    for (let ms = 0; ms <= 60_000; ms += 10) {
      if (test()) return ms;
      await this.pass(10);
    }
    throw new Error('what was waited for did not come in a minute');
  }

  async stop(member: TestMember): Promise<void> {
    const closing = member.mesh.close();
    await this.pass(600);
    await closing;
  }

  /** Every test ends here: nothing may be left running. */
  async close(goodbyesMs = 1000): Promise<void> {
    const closing = Promise.all(this.members.map((member) => member.mesh.close()));
    await this.pass(goodbyesMs);
    await closing;
    await this.pass(0);
    const timers = this.clock.pendingCount - this.network.sendingAgain;
    const left = [this.network.linkCount, timers];
    if (left.some((count) => count > 0)) throw new Error(`links and timers left: ${left}`);
  }
}
