// Who votes. A configuration takes effect as soon as it stands in a log (thesis 4.1); while it is
// joint, every decision needs a majority of both halves (thesis 4.3). Pure values and functions.
import { assert } from '@holdfast/base/assert';
import { type MemberId, memberId } from '@holdfast/base/ids';

export type Configuration = {
  readonly voters: readonly MemberId[];
  /** The old voters while the configuration is joint, else empty. */
  readonly votersOutgoing: readonly MemberId[];
  /** Observers: they get the data, never vote and never count. */
  readonly learners: readonly MemberId[];
};

/** Where a configuration stands in the log; index 0 is the one that the cluster was born with. */
export type PlacedConfiguration = { readonly index: number; readonly configuration: Configuration };

const byId = (a: MemberId, b: MemberId): number => (a < b ? -1 : a > b ? 1 : 0);
const sorted = (ids: Iterable<MemberId>): MemberId[] => [...new Set(ids)].sort(byId);

export function newConfiguration(parts: Partial<Configuration>): Configuration {
  const voters = sorted(parts.voters ?? []);
  const votersOutgoing = sorted(parts.votersOutgoing ?? []);
  const learners = sorted(parts.learners ?? []);
  assert(
    learners.every((id) => !voters.includes(id)),
    'no member both votes and observes',
  );
  return { voters, votersOutgoing, learners };
}

export const isJoint = (c: Configuration): boolean => c.votersOutgoing.length > 0;

export const isVoter = (c: Configuration, id: MemberId): boolean =>
  c.voters.includes(id) || c.votersOutgoing.includes(id);

/** Everybody who gets the log: voters of both halves and learners, each once, in order. */
export const membersOf = (c: Configuration): readonly MemberId[] =>
  sorted([...c.voters, ...c.votersOutgoing, ...c.learners]);

/** floor(n / 2) + 1, always (safety.md 14). */
export const majority = (count: number): number => Math.floor(count / 2) + 1;

/** Whether those for whom `agrees` holds are a majority (of both halves, if joint). */
export function hasQuorum(c: Configuration, agrees: (id: MemberId) => boolean): boolean {
  return halves(c).every((half) => half.filter(agrees).length >= majority(half.length));
}

/** Whether a majority can no longer be reached, because too many have refused. */
export function quorumImpossible(c: Configuration, refuses: (id: MemberId) => boolean): boolean {
  return halves(c).some(
    (half) => half.length - half.filter(refuses).length < majority(half.length),
  );
}

/**
 * The largest value that a majority (of both halves) has reached: commit index, confirmed round.
 */
export function quorumValue(c: Configuration, reached: (id: MemberId) => number): number {
  let lowest = Number.POSITIVE_INFINITY;
  for (const half of halves(c)) {
    const values = half.map(reached).sort((a, b) => b - a);
    lowest = Math.min(lowest, values[majority(half.length) - 1] ?? 0);
  }
  return Number.isFinite(lowest) ? lowest : 0;
}

function halves(c: Configuration): readonly (readonly MemberId[])[] {
  return isJoint(c) ? [c.voters, c.votersOutgoing] : [c.voters];
}

// The payload of a membership entry: a format version, then three counted lists of 64-bit ids.
const configurationFormat = 1;

export function encodeConfiguration(c: Configuration): Uint8Array {
  const lists = [c.voters, c.votersOutgoing, c.learners];
  const count = lists.reduce((sum, list) => sum + list.length, 0);
  const bytes = new Uint8Array(1 + lists.length * 2 + count * 8);
  const view = new DataView(bytes.buffer);
  let at = 0;
  view.setUint8(at++, configurationFormat);
  for (const list of lists) {
    view.setUint16(at, list.length, true);
    at += 2;
    for (const id of list) {
      view.setBigUint64(at, id, true);
      at += 8;
    }
  }
  return bytes;
}

export function decodeConfiguration(bytes: Uint8Array): Configuration {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  assert(view.getUint8(0) === configurationFormat, 'configuration format is known');
  let at = 1;
  const list = (): MemberId[] => {
    const count = view.getUint16(at, true);
    at += 2;
    const ids = Array.from({ length: count }, (_, n) =>
      memberId(view.getBigUint64(at + n * 8, true)),
    );
    at += count * 8;
    return ids;
  };
  const [voters, votersOutgoing, learners] = [list(), list(), list()];
  assert(at === bytes.length, 'a configuration fills its bytes');
  return newConfiguration({ voters, votersOutgoing, learners });
}

export function formatConfiguration(c: Configuration): string {
  const list = (ids: readonly MemberId[]): string => ids.map((id) => id.toString(16)).join(' ');
  const outgoing = isJoint(c) ? ` & (${list(c.votersOutgoing)})` : '';
  const learners = c.learners.length > 0 ? ` learners (${list(c.learners)})` : '';
  return `voters (${list(c.voters)})${outgoing}${learners}`;
}
