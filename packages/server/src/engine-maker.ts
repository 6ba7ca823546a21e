// Makes the engine of a member, and what it stands on: the data directory, and the transport to its
// peers. One after another, where an engine has to be started anew.
import type { Clock } from '@holdfast/base/clock';
import { HoldfastError, isHoldfastError } from '@holdfast/base/errors';
import type { ClusterId, MemberId } from '@holdfast/base/ids';
import { version } from '@holdfast/base/product-version';
import type { Random } from '@holdfast/base/random';
import { type DataDirectory, openDataDirectory } from '@holdfast/engine/data-directory';
import { EmbeddedEngine } from '@holdfast/engine/embedded-engine';
import { TcpPeerTransport } from '@holdfast/engine/peer-transport';
import type { StoreGuard } from '@holdfast/engine/store-guard';
import { newConfiguration } from '@holdfast/raft/configuration';
import { NodeDisk } from '@holdfast/storage/node-disk';
import { TcpNetwork } from '@holdfast/transport/tcp-link';

import { collector } from './collector.ts';
import type { ConnectionSettings } from './connection-settings.ts';
import { deriveMemberId } from './identity.ts';
import type { Log } from './log.ts';
import { MemberEvents } from './member-events.ts';
import { memberRecorder } from './member-recorder.ts';
import type { NamedMember, PeerLog } from './peer-log.ts';
import type { MemberSettings } from './settings.ts';

export type EngineMakerOptions = {
  readonly settings: MemberSettings;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly peerLog: PeerLog;
  readonly guard: StoreGuard;
  /** Absolute: where the data is. */
  readonly root: string;
  readonly clusterId: ClusterId;
  readonly members: readonly NamedMember[];
  /** Answers a question of a peer. */
  readonly onAsk: (from: MemberId, body: Uint8Array) => Promise<Uint8Array>;
  /** As clients reach this member; asked when an engine is made. */
  readonly clientAddress: () => string;
  /** Of the moment: they may have changed since the start. */
  readonly connections: () => ConnectionSettings;
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

  async open(onFatal: (error: unknown) => void): Promise<EmbeddedEngine> {
    const directory = await this.#openDirectory();
    await this.#options.guard.open();
    const transport = this.#createTransport(directory);
    this.#transport = transport;
    this.#engine = this.#createEngine(directory, transport, onFatal);
    return this.#engine;
  }

  async #openDirectory(): Promise<DataDirectory> {
    const { settings, random, log, root, clusterId } = this.#options;
    const opening = openDataDirectory({
      disk: new NodeDisk(root),
      random,
      clusterId,
      memberId: deriveMemberId(clusterId, settings.name),
      name: settings.name,
      segmentBytes: settings.segmentBytes,
      onBadSnapshot: (bad) => {
        this.#snapshotsBad += 1;
        log.error(bad, 'a snapshot can not be used');
      },
    });
    return opening.catch((error: unknown) => {
      throw isHoldfastError(error, 'cluster-mismatch') ? withOrigin(error) : error;
    });
  }

  #createEngine(
    directory: DataDirectory,
    transport: TcpPeerTransport,
    onFatal: (error: unknown) => void,
  ): EmbeddedEngine {
    const { settings, clock, random, log, root, members, guard } = this.#options;
    const { heartbeatMs, electionMinMs, electionMaxMs } = settings;
    const events = new MemberEvents({ log, clock, nameOf: (id) => this.#engine?.nameOf(id) });
    return new EmbeddedEngine({
      ...directory,
      name: settings.name,
      version,
      peerAddresses: [settings.advertisePeer],
      clientAddresses: [this.#options.clientAddress()],
      initialMembers: members,
      bootstrap: newConfiguration({ voters: members.map((member) => member.memberId) }),
      clock,
      random,
      nextTurn: (action) => void setImmediate(action),
      transport,
      onMemberBound: () => {
        transport.judgeAgain();
        if (this.#engine) guard.remember(this.#engine);
      },
      raftSettings: { heartbeatMs, electionMinMs, electionMaxMs },
      replicaSettings: settings.snapshots,
      compactionSettings: {
        historyAgeMs: settings.historyAgeMs,
        historyRevisionsMax: settings.historyRevisionsMax,
      },
      lessorSettings: settings.lessor,
      quotaBytes: settings.quotaBytes,
      whileLoading: (load) => collector.seldomWhile(load),
      recorder: memberRecorder({ settings, clock, log, disk: new NodeDisk(root) }),
      onFatal,
      onEvent: (event) => events.tell(event),
    });
  }

  #createTransport(directory: DataDirectory): TcpPeerTransport {
    const { settings, clock, random, members, guard, peerLog, connections, onAsk } = this.#options;
    return new TcpPeerTransport({
      network: new TcpNetwork(),
      clock,
      random,
      identity: directory.identity,
      name: settings.name,
      listenAddress: settings.listenPeer,
      peers: members.map(({ memberId, peerAddress }) => ({ memberId, address: peerAddress })),
      // A wiped directory under an old id has forgotten its votes (safety.md 15).
      verifyPeer: ({ memberId, storeId }) =>
        this.#engine && guard.judge(this.#engine, memberId, storeId),
      settings: connections(),
      onStranger: (from, reason) => peerLog.stranger(from, reason),
      onUnreachable: (peer, reason) => peerLog.unreachable(peer, reason),
      onNote: (note) => peerLog.note(note),
      onAsk,
    });
  }
}

/**
 * Ids are derived from settings (`identity.ts`), so a changed setting looks like another cluster.
 */
const withOrigin = (error: HoldfastError): HoldfastError =>
  new HoldfastError(
    error.code,
    `${error.message} (a cluster is known by the names and peer addresses in --initial-cluster, ` +
      'or by --cluster-token: they stay as they were at the first start)',
    { details: error.details, cause: error },
  );
