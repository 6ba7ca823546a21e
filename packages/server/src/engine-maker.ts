// Makes the engine of a member, and what it stands on: the data directory, and the transport to its
// peers. One after another, where an engine has to be started anew.
import type { Clock } from '@holdfast/base/clock';
import type { HoldfastError } from '@holdfast/base/errors';
import type { MemberId } from '@holdfast/base/ids';
import { version } from '@holdfast/base/product-version';
import type { Random } from '@holdfast/base/random';
import { type DataDirectory, openDataDirectory } from '@holdfast/engine/data-directory';
import { EmbeddedEngine } from '@holdfast/engine/embedded-engine';
import { TcpPeerTransport } from '@holdfast/engine/peer-transport';
import type { StoreGuard } from '@holdfast/engine/store-guard';
import { newConfiguration } from '@holdfast/raft/configuration';
import { NodeDisk } from '@holdfast/storage/node-disk';
import type { Hello } from '@holdfast/transport/handshake';

import { collector } from './collector.ts';
import type { ConnectionSettings } from './connection-settings.ts';
import type { Home, HomeKeeper } from './home.ts';
import { tellIntegrity } from './integrity-log.ts';
import type { Log } from './log.ts';
import { MemberEvents } from './member-events.ts';
import { memberRecorder } from './member-recorder.ts';
import type { PeerLog } from './peer-log.ts';
import type { MemberSettings } from './settings.ts';
import type { Certificates } from './tls/certificates.ts';
import { certifiedMemberProblem } from './tls/certified-member.ts';
import { peerNetworkOf } from './tls/peer-network.ts';

export type EngineMakerOptions = {
  readonly settings: MemberSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly peerLog: PeerLog;
  readonly guard: StoreGuard;
  /** Absolute: where the data is. */
  readonly root: string;
  readonly home: HomeKeeper;
  readonly certificates: Certificates;
  /** Answers a question of a peer. */
  readonly onAsk: (from: MemberId, body: Uint8Array) => Promise<Uint8Array>;
  /** As clients reach this member; asked when an engine is made. */
  readonly clientAddress: () => string;
  /** Of the moment: they may have changed since the start. */
  readonly connections: () => ConnectionSettings;
  /** A peer says that the cluster has removed this member. */
  readonly onRemoved: (reason: string) => void;
};

type EngineParts = {
  readonly directory: DataDirectory;
  readonly home: Home;
  readonly transport: TcpPeerTransport;
  readonly onFatal: (error: unknown) => void;
};

export class EngineMaker {
  readonly #options: EngineMakerOptions;
  #engine: EmbeddedEngine | undefined;
  #transport: TcpPeerTransport | undefined;
  #snapshotsBad = 0;

  constructor(options: EngineMakerOptions) {
    this.#options = options;
  }

  /** The transport of the present engine. */
  get transport(): TcpPeerTransport | undefined {
    return this.#transport;
  }

  /** Snapshots that could not be used since the process began. */
  get snapshotsBad(): number {
    return this.#snapshotsBad;
  }

  /** `home` is settled. */
  async open(home: Home, onFatal: (error: unknown) => void): Promise<EmbeddedEngine> {
    const directory = await this.#openDirectory(home);
    await this.#options.guard.open();
    const transport = this.#createTransport(directory, home);
    this.#transport = transport;
    this.#engine = this.#createEngine({ directory, home, transport, onFatal });
    return this.#engine;
  }

  #openDirectory({ clusterId, memberId }: Home): Promise<DataDirectory> {
    const { settings, random, log, root } = this.#options;
    return openDataDirectory({
      disk: new NodeDisk(root),
      random,
      clusterId,
      memberId,
      name: settings.name,
      segmentBytes: settings.segmentBytes,
      onBadSnapshot: (bad) => {
        this.#snapshotsBad += 1;
        log.error(bad, 'a snapshot can not be used');
      },
    });
  }

  #createEngine({ directory, home, transport, onFatal }: EngineParts): EmbeddedEngine {
    const { settings, clock, random, log, root } = this.#options;
    const { heartbeatMs, electionMinMs, electionMaxMs } = settings;
    const events = new MemberEvents({ log, clock, nameOf: (id) => this.#engine?.nameOf(id) });
    return new EmbeddedEngine({
      ...directory,
      name: settings.name,
      version,
      peerAddresses: [settings.advertisePeer],
      clientAddresses: [this.#options.clientAddress()],
      initialMembers: home.members,
      bootstrap: newConfiguration({ voters: home.founders }),
      clock,
      random,
      nextTurn: (action) => void setImmediate(action),
      transport,
      onMembers: () => {
        if (this.#engine) this.#membersChanged(this.#engine, transport);
      },
      raftSettings: { heartbeatMs, electionMinMs, electionMaxMs },
      replicaSettings: settings.snapshots,
      compactionSettings: {
        historyAgeMs: settings.historyAgeMs,
        historyRevisionsMax: settings.historyRevisionsMax,
      },
      lessorSettings: settings.lessor,
      integritySettings: settings.integrity,
      scrubSettings: settings.scrub,
      onIntegrity: tellIntegrity(log, (id) => this.#engine?.nameOf(id)),
      backupSettings: settings.backups,
      quotaBytes: settings.quotaBytes,
      whileLoading: (load) => collector.seldomWhile(load),
      recorder: memberRecorder({ settings, clock, log, disk: new NodeDisk(root) }),
      onFatal,
      onEvent: (event) => events.tell(event),
    });
  }

  #membersChanged(engine: EmbeddedEngine, transport: TcpPeerTransport): void {
    const { guard, home } = this.#options;
    const members = engine.membership.members();
    transport.setPeers(
      members.map(({ memberId, peerAddress: address, otherAddresses: others = [] }) => {
        return { memberId, address, others };
      }),
    );
    transport.judgeAgain();
    guard.remember(engine);
    home.remember(members);
  }

  /** Who it may be, by its certificate and its directory; undefined: who it says. */
  #judge(hello: Hello): HoldfastError | undefined {
    const members = this.#options.home.home?.members ?? [];
    const uncertified = certifiedMemberProblem(hello, members);
    if (uncertified) return uncertified;
    // A wiped directory under an old id has forgotten its votes (safety.md 15).
    const { memberId, storeId } = hello;
    return this.#engine && this.#options.guard.judge(this.#engine, memberId, storeId);
  }

  #createTransport(directory: DataDirectory, { members }: Home): TcpPeerTransport {
    const { settings, clock, random, peerLog, certificates, connections, onAsk, onRemoved } =
      this.#options;
    return new TcpPeerTransport({
      network: peerNetworkOf(certificates),
      clock,
      random,
      identity: directory.identity,
      name: settings.name,
      listenAddress: settings.listenPeer,
      advertiseAddress: settings.advertisePeer,
      peers: members.map(({ memberId, peerAddress }) => ({ memberId, address: peerAddress })),
      verifyPeer: (hello) => this.#judge(hello),
      settings: connections(),
      onStranger: (from, reason) => peerLog.stranger(from, reason),
      onUnreachable: (peer, reason) => peerLog.unreachable(peer, reason),
      onNote: (note) => peerLog.note(note),
      onRemoved,
      onAsk,
    });
  }
}
