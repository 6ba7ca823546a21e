// The settings of one member, whole and consistent: what each setting means beside the others, and
// every combination that could not work, refused before anything is opened.
import { messageOf } from '@holdfast/base/errors';
import type { BackupSettings } from '@holdfast/engine/backups';
import type { IntegritySettings, ScrubSettings } from '@holdfast/engine/integrity-status';
import type { ReplicaSettings } from '@holdfast/replica/settings';
import { type Address, parseAddress } from '@holdfast/transport/address';

import { type Credentials, passwordOf } from './access/credentials.ts';
import {
  type ConnectionSettings,
  connectionsOf,
  connectionsProblem,
} from './connection-settings.ts';
import type { EtcdSettings } from './etcd/etcd-settings.ts';
import type { VerdictSettings } from './member-verdict.ts';
import {
  type Flags,
  gatherSettings,
  type MemberAddress,
  refused,
  type Settings,
  type Variables,
} from './setting-sources.ts';
import { flagOfKey, type SettingKey } from './setting-table.ts';
import { type TlsSettings, tlsOf } from './tls/tls-settings.ts';

type SnapshotSettings = Pick<
  ReplicaSettings,
  | 'snapshotEntriesMax'
  | 'snapshotLogBytesMin'
  | 'snapshotIntervalMinMs'
  | 'snapshotAtStopEntries'
  | 'snapshotsKept'
  | 'snapshotWriteBytesPerSecond'
  | 'snapshotSendBytesPerSecond'
>;

export type MemberSettings = {
  readonly name: string;
  readonly dataDir: string;
  readonly listenClient: string;
  readonly listenPeer: string;
  /** Undefined: as the listener is bound (its port may be chosen by the system). */
  readonly advertiseClient: string | undefined;
  readonly advertisePeer: string;
  /** All members of the cluster as it begins, this one among them. */
  readonly initialCluster: readonly MemberAddress[];
  readonly clusterToken: string | undefined;
  /** The settings say how the cluster began. */
  readonly isClusterNamed: boolean;
  /** The client address of a member of a running cluster to be added to. */
  readonly join: string | undefined;
  /** With `join`, where access control is on: a user root. */
  readonly joinUser: Credentials | undefined;
  /** It gets all data and never votes. */
  readonly isObserver: boolean;
  readonly tls: TlsSettings;
  readonly logLevel: string;
  readonly logFormat: string;
  readonly heartbeatMs: number;
  readonly electionMinMs: number;
  readonly electionMaxMs: number;
  /** Of those that this member gives out. */
  readonly tokenLifeMs: number;
  readonly valueBytesMax: number;
  readonly quotaBytes: number;
  readonly segmentBytes: number;
  readonly snapshots: SnapshotSettings;
  readonly backups: Pick<BackupSettings, 'bytesPerSecond' | 'timeoutMs'>;
  /** Undefined: this member makes none. */
  readonly backupSchedule: BackupScheduleSettings | undefined;
  /** Undefined: off. */
  readonly recording: { readonly segmentBytes: number; readonly segmentsKept: number } | undefined;
  /** How the leases are kept while this member leads. */
  readonly lessor: { readonly tickMs: number; readonly checkpointMs: number };
  readonly integrity: IntegritySettings;
  readonly scrub: ScrubSettings;
  readonly startPhaseMs: number;
  /** How the other members are looked at (B-12). */
  readonly memberChecks: VerdictSettings & { readonly intervalMs: number };
  readonly historyAgeMs: number;
  readonly historyRevisionsMax: number;
  readonly configVersionsMax: number;
  readonly callTimeoutMs: number;
  readonly headersTimeoutMs: number;
  readonly requestTimeoutMs: number;
  /** Clients'. */
  readonly connectionsMax: number;
  /** Of etcd's API. */
  readonly etcd: EtcdSettings;
  /** To peers, as they are at the start. */
  readonly connections: ConnectionSettings;
  /** All settings as they were given, with where each comes from. */
  readonly given: Settings;
};

/** Scheduled backups, of which the cluster makes one at a time. */
export type BackupScheduleSettings = {
  readonly directory: string;
  readonly intervalMs: number;
  readonly kept: number;
};

const megabyte = 1_000_000;

/** Names are shown, hashed and written in lists: plain characters, no separators. */
const namePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** Throws `invalid-argument` with one sentence that names the setting. */
export function readSettings(flags: Flags, variables: Variables): MemberSettings {
  return settingsOf(gatherSettings(flags, variables));
}

/** As readSettings, of what was gathered. */
export function settingsOf(given: Settings): MemberSettings {
  const reader = new Reader(given);
  const name = reader.text('name');
  checkName('--name', name);
  const settings = { ...placesOf(reader, name), ...numbersOf(reader), given };
  checkElections(settings);
  const problem = connectionsProblem(settings.connections);
  if (problem !== undefined) throw refused(problem);
  return settings;
}

class Reader {
  readonly #settings: Settings;

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  maybe(key: SettingKey): string | undefined {
    return this.#settings.get(key)?.value as string | undefined;
  }

  text(key: SettingKey): string {
    return this.#settings.get(key)?.value as string;
  }

  number(key: SettingKey): number {
    return this.#settings.get(key)?.value as number;
  }

  isSet(key: SettingKey): boolean {
    return this.#settings.get(key)?.value === true;
  }

  members(): readonly MemberAddress[] | undefined {
    return this.#settings.get('initial-cluster')?.value as readonly MemberAddress[] | undefined;
  }
}

function placesOf(reader: Reader, name: string) {
  const listenClient = addressOf(reader, 'listen-client');
  const listenPeer = addressOf(reader, 'listen-peer');
  const advertiseClient = advertisedOf(reader, 'client', listenClient);
  const initial = reader.members();
  const advertisePeer = advertisedOf(reader, 'peer', listenPeer) ?? listenPeer;
  const initialCluster = initial ?? [{ name, address: advertisePeer }];
  checkCluster(initialCluster, { name, advertisePeer });
  const join = joinOf(reader, initial !== undefined);
  const tls = tlsOf((key) => reader.maybe(key));
  if ('problem' in tls) throw refused(tls.problem);
  if (!reader.isSet('insecure')) {
    if (tls.client?.ca === undefined) refuseOpen('listen-client', listenClient);
    if (tls.peer === undefined) refuseOpen('listen-peer', listenPeer);
  }
  return {
    name,
    dataDir: reader.maybe('data-dir') ?? `${name}.holdfast`,
    listenClient,
    listenPeer,
    advertiseClient,
    advertisePeer,
    initialCluster,
    clusterToken: reader.maybe('cluster-token'),
    isClusterNamed: initial !== undefined || reader.maybe('cluster-token') !== undefined,
    join,
    joinUser: joinUserOf(reader),
    isObserver: reader.isSet('observer'),
    tls,
  };
}

/** A cluster is begun or joined, never both. */
function joinOf(reader: Reader, isNamed: boolean): string | undefined {
  const join = reader.maybe('join');
  if (join === undefined) {
    if (reader.isSet('observer'))
      throw refused('--observer needs --join: a cluster begins with voters');
    return undefined;
  }
  parsed('--join', join);
  if (!isNamed) return join;
  throw refused(
    '--join and --initial-cluster: the first adds this machine to a running cluster, the second ' +
      'begins a new one; say the one that you mean',
  );
}

function joinUserOf(reader: Reader): Credentials | undefined {
  const text = reader.maybe('join-user');
  const user = text === undefined ? undefined : passwordOf(text);
  if (text === undefined || user) return user;
  throw refused('--join-user is NAME:PASSWORD');
}

function numbersOf(reader: Reader) {
  return {
    logLevel: reader.text('log-level'),
    logFormat: reader.text('log-format'),
    tokenLifeMs: reader.number('token-life-ms'),
    heartbeatMs: reader.number('heartbeat-ms'),
    electionMinMs: reader.number('election-min-ms'),
    electionMaxMs: reader.number('election-max-ms'),
    valueBytesMax: reader.number('value-bytes-max'),
    quotaBytes: reader.number('quota-bytes'),
    segmentBytes: reader.number('segment-bytes'),
    snapshots: snapshotsOf(reader),
    backups: {
      bytesPerSecond: reader.number('backup-mbps') * megabyte,
      timeoutMs: reader.number('backup-timeout-ms'),
    },
    backupSchedule: backupScheduleOf(reader),
    recording: recordingOf(reader),
    lessor: {
      tickMs: reader.number('lease-tick-ms'),
      checkpointMs: reader.number('lease-checkpoint-ms'),
    },
    integrity: {
      intervalMs: reader.number('integrity-interval-ms'),
      partsMax: reader.number('integrity-parts-max'),
    },
    scrub: {
      intervalMs: reader.number('scrub-interval-ms'),
      bytesPerSecond: reader.number('scrub-mbps') * megabyte,
    },
    startPhaseMs: reader.number('start-phase-ms'),
    memberChecks: {
      intervalMs: reader.number('member-check-ms'),
      failuresMax: reader.number('member-failures-max'),
      successesMin: reader.number('member-successes-min'),
    },
    historyAgeMs: reader.number('history-age-ms'),
    historyRevisionsMax: reader.number('history-revisions-max'),
    configVersionsMax: reader.number('config-versions-max'),
    callTimeoutMs: reader.number('call-timeout-ms'),
    headersTimeoutMs: reader.number('headers-timeout-ms'),
    requestTimeoutMs: reader.number('request-timeout-ms'),
    connectionsMax: reader.number('connections-max'),
    etcd: {
      electionMs: reader.number('election-max-ms'),
      watchProgressMs: reader.number('watch-progress-ms'),
      watchersMax: reader.number('watchers-max'),
      watchUnreadBytesMax: reader.number('watch-unread-bytes-max'),
    },
    connections: connectionsOf((key) => reader.number(key)),
  };
}

/** When snapshots are taken, and how fast they go (safety.md 8). */
function snapshotsOf(reader: Reader): SnapshotSettings {
  return {
    snapshotEntriesMax: reader.number('snapshot-entries-max'),
    snapshotLogBytesMin: reader.number('snapshot-log-bytes'),
    snapshotIntervalMinMs: reader.number('snapshot-interval-ms'),
    snapshotAtStopEntries: reader.number('snapshot-at-stop-entries'),
    snapshotsKept: reader.number('snapshots-kept'),
    snapshotWriteBytesPerSecond: reader.number('snapshot-write-mbps') * megabyte,
    snapshotSendBytesPerSecond: reader.number('snapshot-send-mbps') * megabyte,
  };
}

function backupScheduleOf(reader: Reader): BackupScheduleSettings | undefined {
  const directory = reader.maybe('backup-dir');
  if (directory === undefined) return undefined;
  const intervalMs = reader.number('backup-interval-ms');
  return { directory, intervalMs, kept: reader.number('backups-kept') };
}

function recordingOf(reader: Reader): MemberSettings['recording'] {
  if (reader.text('recording') === 'off') return undefined;
  return {
    segmentBytes: reader.number('recording-segment-bytes'),
    segmentsKept: reader.number('recording-segments-kept'),
  };
}

function addressOf(reader: Reader, key: SettingKey): string {
  const text = reader.text(key);
  parsed(flagOfKey(key), text);
  return text;
}

function parsed(where: string, text: string): Address {
  try {
    return parseAddress(text);
  } catch (error) {
    throw refused(`${where}: ${messageOf(error)}`);
  }
}

/** Undefined for a port that the system chooses: it is known only when the listener stands. */
function advertisedOf(reader: Reader, side: 'client' | 'peer', listen: string): string | undefined {
  const flag = `--advertise-${side}`;
  const said = reader.maybe(`advertise-${side}`);
  if (said !== undefined) {
    if (parsed(flag, said).port !== 0) return said;
    throw refused(`${flag} needs the port that others can dial, not 0`);
  }
  const { host, port } = parsed(`--listen-${side}`, listen);
  if (host === '0.0.0.0' || host === '::') {
    throw refused(`--listen-${side} ${listen} is every address: say in ${flag} which others dial`);
  }
  return port === 0 ? undefined : listen;
}

function checkName(where: string, name: string): void {
  if (namePattern.test(name)) return;
  throw refused(
    `${where}: a name is 1 to 64 letters, digits, dots, dashes and underscores, not ` +
      JSON.stringify(name),
  );
}

function checkCluster(
  members: readonly MemberAddress[],
  self: { readonly name: string; readonly advertisePeer: string },
): void {
  const names = new Set<string>();
  const addresses = new Map<string, string>();
  for (const { name, address } of members) {
    checkName('--initial-cluster', name);
    parsed(`--initial-cluster, ${name}`, address);
    if (names.has(name)) throw refused(`--initial-cluster names ${name} twice`);
    const other = addresses.get(address);
    if (other !== undefined) {
      throw refused(`--initial-cluster gives ${other} and ${name} the same address ${address}`);
    }
    names.add(name);
    addresses.set(address, name);
  }
  checkSelf(members, self);
}

function checkSelf(
  members: readonly MemberAddress[],
  self: { readonly name: string; readonly advertisePeer: string },
): void {
  const listed = members.find((member) => member.name === self.name);
  if (!listed) {
    const names = members.map((member) => member.name).join(', ');
    throw refused(`--initial-cluster lists ${names}, but not this member, ${self.name} (--name)`);
  }
  if (listed.address !== self.advertisePeer) {
    throw refused(
      `--initial-cluster says that ${self.name} is at ${listed.address}, but it would be at ` +
        `${self.advertisePeer}: make --listen-peer (or --advertise-peer) the same`,
    );
  }
}

/** Without certificates everybody who can reach the port can read and write everything. */
function refuseOpen(key: 'listen-client' | 'listen-peer', address: string): void {
  const { host } = parseAddress(address);
  if (host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host)) return;
  throw refused(
    `${flagOfKey(key)} ${address} is open to other machines, and nobody is asked who they are: ` +
      `listen on 127.0.0.1, give it certificates (${filesFor[key]}), or say --insecure if your ` +
      'network keeps strangers out',
  );
}

const filesFor = {
  'listen-client': '--tls-client-cert, --tls-client-key, --tls-client-ca',
  'listen-peer': '--tls-peer-cert, --tls-peer-key, --tls-peer-ca',
} as const;

function checkElections(settings: {
  readonly heartbeatMs: number;
  readonly electionMinMs: number;
  readonly electionMaxMs: number;
}): void {
  const { heartbeatMs, electionMinMs, electionMaxMs } = settings;
  if (electionMinMs >= electionMaxMs) {
    throw refused('--election-min-ms is less than --election-max-ms');
  }
  if (heartbeatMs * 3 > electionMinMs) {
    throw refused('--heartbeat-ms is at most a third of --election-min-ms');
  }
}
