// `/metrics` in Prometheus' text: the process (event loop lag, memory, garbage collection) by
// prom-client, the engine from its status at the moment of the scrape, requests by route.
import { bugCount } from '@holdfast/base/bug-log';
import type { EngineStatus, RecoveryPhase } from '@holdfast/engine/engine';
import type { StateVerdict } from '@holdfast/engine/state-verdict';
import { collectDefaultMetrics, Registry } from 'prom-client';

import { type RouteTimes, timeBucketsMs } from './http/request-times.ts';
import { familyText, histogramText, labelText as label, sampleText } from './metric-text.ts';
import { recoveryMetrics } from './recovery-metrics.ts';

/** What a status says in numbers; help texts for people who read the scrape. */
const gauges: readonly (readonly [string, string, (status: EngineStatus) => number | undefined])[] =
  [
    ['term', 'Raft term', (status) => status.term],
    ['commit_index', 'Last log entry known to be committed', (status) => status.commitIndex],
    ['applied_index', 'Last log entry applied to the store', (status) => status.appliedIndex],
    ['last_index', 'Last log entry of this member', (status) => status.lastIndex],
    ['persisted_index', 'Last log entry synced to disk', (status) => status.persistedIndex],
    ['snapshot_index', 'Last log entry in the newest snapshot', (status) => status.snapshotIndex],
    ['purged_index', 'Last log entry that was purged', (status) => status.purgedIndex],
    ['revision', 'Revision of the store', (status) => status.revision],
    ['compact_revision', 'History below it is gone', (status) => status.compactRevision],
    ['keys', 'Keys in the store', (status) => status.keys],
    ['store_bytes', 'Bytes of keys and values', (status) => status.bytes],
    ['is_leader', 'Whether this member leads', (status) => Number(status.role === 'leader')],
    ['has_leader', 'Whether a leader is known', (status) => Number(status.leader !== undefined)],
    ['ready', 'Whether this member serves', (status) => Number(status.ready)],
    ['missing_voters', 'Voters not reachable from here', (status) => status.missingVoters.length],
    [
      'quarantined',
      'Whether the state of this member is in doubt, and answers nothing',
      ({ integrity }) => integrity && Number(integrity.quarantine !== undefined),
    ],
    [
      'state_check_index',
      'Log entry of the last comparison of states',
      ({ integrity }) => integrity?.checkIndex,
    ],
    [
      'states_differing',
      'Members whose state is not that of a majority, or all where no majority agrees',
      ({ integrity }) => integrity && differing(integrity.verdict),
    ],
    [
      'state_checks_total',
      'Comparisons in which a majority agreed',
      ({ integrity }) => integrity?.checksDecided,
    ],
    ['reseeds_total', 'States sent to members in doubt', ({ integrity }) => integrity?.reseeds],
    ['scrub_passes_total', 'Passes over the files at rest', ({ scrub }) => scrub?.passes],
    ['scrub_found_total', 'Files at rest found rotten', ({ scrub }) => scrub?.found],
    [
      'scrub_bytes',
      'Read in the running pass',
      ({ scrub }) => scrub && (scrub.running?.bytes ?? 0),
    ],
    [
      'scrub_last_end_seconds',
      'When the last whole pass ended, Unix time',
      ({ scrub }) => (scrub?.last?.isWhole ? scrub.last.endedMs / 1000 : undefined),
    ],
    ['state_age_ms', 'Upper bound of the age of the state', (status) => status.ageMs],
  ];

function differing(verdict: StateVerdict): number {
  if (verdict.kind === 'decided') return verdict.odd.length;
  return verdict.kind === 'undecided' ? verdict.groups.flat().length : 0;
}

export type MetricsOptions = {
  /** Watches the event loop and garbage collection: process-wide, so only in a member's process. */
  readonly process: boolean;
};

/** What a scrape shows beside the process's own figures. */
export type Scrape = {
  readonly status: EngineStatus | undefined;
  readonly phases: readonly RecoveryPhase[];
  readonly times: readonly RouteTimes[];
};

/** A figure of the process; undefined = not known now. */
export type Figure = {
  readonly name: string;
  readonly help: string;
  readonly read: () => number | undefined;
};

export class Metrics {
  readonly #registry = new Registry();
  readonly #figures: Figure[] = [];
  readonly #families: (() => readonly string[])[] = [];

  constructor(options: MetricsOptions) {
    if (options.process) collectDefaultMetrics({ register: this.#registry });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Shown from now on, read at each scrape. */
  show(...figures: readonly Figure[]): void {
    this.#figures.push(...figures);
  }

  /** As show(), for whole families in Prometheus' text. */
  showFamilies(read: () => readonly string[]): void {
    this.#families.push(read);
  }

  async render({ status, phases, times }: Scrape): Promise<string> {
    const lines = [await this.#registry.metrics()];
    lines.push(
      sampleText({ name: 'bugs_total', help: 'Things that should not happen', value: bugCount() }),
    );
    for (const { name, help, read } of this.#figures) {
      const value = read();
      if (value !== undefined) lines.push(sampleText({ name, help, value }));
    }
    for (const read of this.#families) lines.push(...read());
    lines.push(...recoveryMetrics(phases, status));
    if (status) lines.push(...engineLines(status));
    lines.push(timesText(times));
    return `${lines.join('\n')}\n`;
  }

  close(): void {
    this.#registry.clear();
  }
}

function engineLines(status: EngineStatus): string[] {
  const lines: string[] = [];
  for (const [name, help, read] of gauges) {
    const value = read(status);
    if (value !== undefined) lines.push(sampleText({ name, help, value }));
  }
  for (const [name, value] of Object.entries(status.counters)) {
    lines.push(sampleText({ name: metricName(name), help: name.replaceAll('_', ' '), value }));
  }
  return [...lines, ...peerLines(status)];
}

const metricName = (name: string): string => name.replaceAll(/[^a-zA-Z0-9_]/g, '_');

function peerLines({ peers }: EngineStatus): string[] {
  if (peers.length === 0) return [];
  const labelsOf = (name: string): string => `{peer="${label(name)}"}`;
  const reachable = peers.map((peer) => ({
    labels: labelsOf(peer.name),
    value: Number(peer.reachable),
  }));
  const lags = peers.flatMap(({ name, lag }) =>
    lag === undefined ? [] : [{ labels: labelsOf(name), value: lag }],
  );
  const help = 'Whether a control connection to the peer lives';
  return [
    familyText({ name: 'peer_reachable', help }, reachable),
    familyText({ name: 'peer_lag_entries', help: 'Entries that the peer lacks' }, lags),
  ];
}

function timesText(times: readonly RouteTimes[]): string {
  const name = 'http_request_duration_seconds';
  const help = 'From the head of a request to its answer';
  return histogramText({ name, help }, times.map(bucketsOf));
}

const boundsSeconds = timeBucketsMs.map((ms) => ms / 1000);

function bucketsOf({ route, method, statusClass, buckets, sumMs }: RouteTimes) {
  const labels = `route="${label(route)}",method="${label(method)}",status="${statusClass}"`;
  return { labels, buckets: { boundsSeconds, counts: [...buckets], sumSeconds: sumMs / 1000 } };
}
