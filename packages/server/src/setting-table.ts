// Every setting of a member in one table: its key in holdfast.yaml (which is its flag without the
// dashes), its kind, its default and what it is for. Variables are derived: HOLDFAST_DATA_DIR.

export type SettingKind =
  | { readonly kind: 'text'; readonly default: string | undefined }
  /** HOST:PORT. */
  | { readonly kind: 'address'; readonly default: string | undefined }
  | { readonly kind: 'flag'; readonly default: boolean }
  /** NAME=HOST:PORT, with commas between several; in a file also a map or a list. */
  | { readonly kind: 'members'; readonly default: undefined }
  | { readonly kind: 'choice'; readonly of: readonly string[]; readonly default: string }
  /** A whole number of milliseconds, bytes or things; the key's last word says which. */
  | {
      readonly kind: 'number';
      readonly default: number;
      readonly lo: number;
      readonly hi: number;
    };

export type SettingRow = SettingKind & {
  readonly help: string;
  /** It may change while the member runs. */
  readonly live?: true;
};

const text = (help: string): SettingRow => ({ kind: 'text', default: undefined, help });
const address = (fallback: string | undefined, help: string): SettingRow => ({
  kind: 'address',
  default: fallback,
  help,
});
const number = (
  fallback: number,
  range: { readonly lo: number; readonly hi: number },
  help: string,
): SettingRow => ({ kind: 'number', default: fallback, ...range, help });
const live = (row: SettingRow): SettingRow => ({ ...row, live: true });

const mebibyte = 1024 * 1024;
const terabyte = 2 ** 40;
const day = 24 * 60 * 60 * 1000;
const many = 1_000_000_000;

export const settingTable = {
  name: { kind: 'text', default: 'n1', help: "the member's name in --initial-cluster" },
  'data-dir': text('where its data is kept (default: NAME.holdfast)'),
  'listen-client': address('127.0.0.1:4653', 'where clients reach it'),
  'listen-peer': address('127.0.0.1:4654', 'where members reach it'),
  'advertise-client': address(undefined, 'how clients reach it, where that differs'),
  'advertise-peer': address(undefined, 'how members reach it, where that differs'),
  'initial-cluster': {
    kind: 'members',
    default: undefined,
    help: 'NAME=HOST:PORT,... of all members of a new cluster (default: this one alone)',
  },
  'cluster-token': text('tells clusters with the same addresses apart; the same on all members'),
  join: address(undefined, 'client address of a member of a running cluster to be added to'),
  'join-user': text('NAME:PASSWORD of a user root, where access control is on: for --join alone'),
  observer: { kind: 'flag', default: false, help: 'with --join: get all data, and never vote' },
  insecure: { kind: 'flag', default: false, help: 'listen beyond this machine without identities' },
  'token-life-ms': number(
    day,
    { lo: 1000, hi: 365 * day },
    'how long a token counts that this member gives out (access control)',
  ),
  'tls-peer-cert': text('certificate for members, with a DNS entry that is --name (PEM file)'),
  'tls-peer-key': text('its private key (PEM file)'),
  'tls-peer-ca': text("authorities of the other members' certificates (PEM file)"),
  'tls-client-cert': text('certificate that clients are shown (PEM file)'),
  'tls-client-key': text('its private key (PEM file)'),
  'tls-client-ca': text("authorities of the clients' certificates (PEM file)"),
  'tls-client-auth': {
    kind: 'choice',
    of: ['required', 'off'],
    default: 'required',
    help: 'whether clients are asked for a certificate, where the port speaks TLS',
  },
  'log-level': {
    kind: 'choice',
    of: ['trace', 'debug', 'info', 'warn', 'error'],
    default: 'info',
    help: 'what the log on standard error shows',
    live: true,
  },
  'log-format': {
    kind: 'choice',
    of: ['auto', 'json', 'text'],
    default: 'auto',
    help: 'auto: text on a terminal, JSON lines elsewhere',
  },
  'heartbeat-ms': number(100, { lo: 10, hi: 10_000 }, 'between two heartbeats of a leader'),
  'election-min-ms': number(600, { lo: 50, hi: 60_000 }, 'shortest silence before an election'),
  'election-max-ms': number(1200, { lo: 100, hi: 120_000 }, 'longest silence before an election'),
  'value-bytes-max': number(
    mebibyte,
    { lo: 1024, hi: 8 * mebibyte },
    'largest value, configuration or document',
  ),
  'quota-bytes': number(
    2048 * mebibyte,
    { lo: mebibyte, hi: terabyte },
    'bytes of the store above which puts are refused',
  ),
  'segment-bytes': number(64 * mebibyte, { lo: mebibyte, hi: 1024 * mebibyte }, 'of a log file'),
  'snapshot-entries-max': number(250_000, { lo: 100, hi: many }, 'log entries between snapshots'),
  'snapshot-log-bytes': number(
    64 * mebibyte,
    { lo: mebibyte, hi: terabyte },
    'bytes of log between snapshots, or a quarter of the last one where that is more',
  ),
  'snapshot-interval-ms': number(
    30_000,
    { lo: 0, hi: day },
    'between two snapshots, and after a start',
  ),
  'snapshot-at-stop-entries': number(
    100_000,
    { lo: 0, hi: many },
    'a clean stop with more entries behind the snapshot takes one',
  ),
  'snapshots-kept': number(2, { lo: 2, hi: 16 }, 'the log is kept back to the oldest of them'),
  'snapshot-write-mbps': number(200, { lo: 1, hi: 100_000 }, 'MB a second that a snapshot writes'),
  'snapshot-send-mbps': number(
    200,
    { lo: 1, hi: 100_000 },
    'MB a second of snapshots that are sent to peers',
  ),
  'backup-dir': text('where scheduled backups are kept; none are made without it'),
  'backup-interval-ms': number(
    day,
    { lo: 1000, hi: 365 * day },
    'between two scheduled backups of the cluster',
  ),
  'backups-kept': number(7, { lo: 1, hi: 10_000 }, 'in its directory; older ones are removed'),
  'backup-mbps': number(
    200,
    { lo: 1, hi: 100_000 },
    'MB a second of all backups that this member makes',
  ),
  'backup-timeout-ms': number(
    3_600_000,
    { lo: 1000, hi: 7 * day },
    'a backup that takes longer is broken off',
  ),
  recording: {
    kind: 'choice',
    of: ['off', 'on'],
    default: 'off',
    help: 'keep what the core is told in DIR/recording, for replay; it holds the values written',
  },
  'recording-segment-bytes': number(
    64 * mebibyte,
    { lo: mebibyte, hi: 4096 * mebibyte },
    'of a recording file, beside the image of the store that it begins with',
  ),
  'recording-segments-kept': number(4, { lo: 2, hi: 1000 }, 'older ones are removed'),
  'lease-tick-ms': number(
    200,
    { lo: 10, hi: 60_000 },
    'a leader looks so often for leases that have run out',
  ),
  'lease-checkpoint-ms': number(
    300_000,
    { lo: 1000, hi: day },
    'what is left of a longer lease is logged so often: a new leader prolongs it by no more',
  ),
  'start-phase-ms': number(
    60_000,
    { lo: 0, hi: day },
    'a phase of the start that takes longer is warned of; 0: never',
  ),
  'integrity-interval-ms': number(
    60_000,
    { lo: 0, hi: day },
    'between two comparisons of the states of all members, by the leader; 0: only when asked for',
  ),
  'integrity-parts-max': number(
    16,
    { lo: 0, hi: 1000 },
    'a member that differs in more parts of its state is set aside, and overwritten by no machine',
  ),
  'scrub-interval-ms': number(
    day,
    { lo: 0, hi: 365 * day },
    'between two passes over the files at rest; 0: only when asked for',
  ),
  'scrub-mbps': number(10, { lo: 1, hi: 100_000 }, 'MB a second that a pass reads'),
  'member-check-ms': number(
    2000,
    { lo: 50, hi: 600_000 },
    'between two looks at how the other members are',
  ),
  'member-failures-max': number(
    3,
    { lo: 1, hi: 100 },
    'looks in a row without an answer, and another member that finds it dead: failed',
  ),
  'member-successes-min': number(
    2,
    { lo: 1, hi: 100 },
    'looks in a row that find it serving: healthy again',
  ),
  'history-age-ms': number(3_600_000, { lo: 1000, hi: 3650 * day }, 'revisions are kept so long'),
  'history-revisions-max': number(1_000_000, { lo: 100, hi: many }, 'revisions kept at most'),
  'config-versions-max': number(100, { lo: 1, hi: 10_000 }, 'versions kept of a configuration'),
  'call-timeout-ms': number(30_000, { lo: 100, hi: 600_000 }, 'longest wait of a call'),
  'headers-timeout-ms': number(10_000, { lo: 100, hi: 600_000 }, 'for the head of a request'),
  'request-timeout-ms': number(30_000, { lo: 100, hi: 3_600_000 }, 'for a whole request'),
  'connections-max': number(10_000, { lo: 10, hi: 1_000_000 }, 'client connections at a time'),
  'watchers-max': number(
    200_000,
    { lo: 100, hi: 10_000_000 },
    "watchers of etcd's clients on this member at a time, and as many in frames",
  ),
  'watch-unread-bytes-max': number(
    256 * mebibyte,
    { lo: mebibyte, hi: terabyte },
    'answers to watches that nobody has read, and as much in frames; ends those that read nothing',
  ),
  'watch-progress-ms': number(
    600_000,
    { lo: 100, hi: day },
    'between two notices of progress to quiet watchers that want them',
  ),
  'connect-timeout-ms': live(
    number(3000, { lo: 100, hi: 60_000 }, 'for a dial to a peer, up to the finished handshake'),
  ),
  'ping-silence-ms': live(
    number(4500, { lo: 500, hi: 5000 }, 'a peer that was silent for so long is pinged'),
  ),
  'ping-wait-ms': live(number(1000, { lo: 100, hi: 10_000 }, 'for the answer to a ping')),
  'ping-failures-max': live(
    number(3, { lo: 2, hi: 10 }, 'pings in a row without an answer that make a peer dead'),
  ),
  'connection-check-ms': live(
    number(10_000, { lo: 100, hi: 600_000 }, 'between two looks at the connections to peers'),
  ),
  'connection-idle-ms': live(
    number(30_000, { lo: 1000, hi: day }, 'log and bulk connections unused for so long are ended'),
  ),
  'connection-failures-max': live(
    number(3, { lo: 1, hi: 100 }, 'a connection with so many failures in a row is ended'),
  ),
  'connection-stale-ms': live(
    number(30_000, { lo: 1000, hi: day }, 'a connection without a verdict for so long is ended'),
  ),
  'breaker-failures-max': live(
    number(3, { lo: 1, hi: 100 }, 'failed calls in a row that set a peer aside'),
  ),
  'breaker-open-ms': live(
    number(30_000, { lo: 1000, hi: 3_600_000 }, 'a peer is set aside so long before it is tried'),
  ),
  'slow-call-ms': live(
    number(2000, { lo: 10, hi: 60_000 }, 'an answer of a peer that takes so long is a slow one'),
  ),
  'slow-breaker-failures-max': live(
    number(3, { lo: 1, hi: 100 }, 'slow answers in a row that set a peer aside'),
  ),
  'slow-breaker-open-ms': live(
    number(30_000, { lo: 1000, hi: 3_600_000 }, 'a slow peer is set aside so long'),
  ),
  'redial-initial-ms': live(
    number(500, { lo: 10, hi: 10_000 }, 'after a failed dial, half to all of it; doubles'),
  ),
  'redial-max-ms': live(number(1000, { lo: 100, hi: 60_000 }, 'no wait for a dial is longer')),
  'dial-again-ms': live(
    number(1000, { lo: 100, hi: 60_000 }, 'a dial that is not answered is begun anew beside it'),
  ),
  'link-look-ms': live(
    number(500, { lo: 50, hi: 60_000 }, 'between two looks for connections that stand still'),
  ),
} as const satisfies Readonly<Record<string, SettingRow>>;

export type SettingKey = keyof typeof settingTable;

export const settingKeys = Object.keys(settingTable) as readonly SettingKey[];

/** Those that may change while a member runs. */
export const liveKeys: readonly SettingKey[] = settingKeys.filter((key) => {
  const row: SettingRow = settingTable[key];
  return row.live === true;
});

export const flagOfKey = (key: string): string => `--${key}`;
export const variableOfKey = (key: string): string =>
  `HOLDFAST_${key.toUpperCase().replaceAll('-', '_')}`;
