// What `holdfast recover-quorum` found, for people and for programs.
import { formatId } from '@holdfast/base/ids';
import type { Restored } from '@holdfast/engine/restore-directory';

import { type Cell, renderFacts, renderTable } from '../table.ts';
import type { Terminal } from '../terminal.ts';
import type { LostRevision } from './lost-revisions.ts';
import type { QuorumReport } from './quorum-report.ts';
import type { VoterThere } from './voters-there.ts';

/** People read the beginning; programs get all. */
const shownMax = 50;

export function lossText(report: QuorumReport, terminal: Terminal): string {
  const { kept, better, voters } = report;
  const facts = renderFacts(terminal, [
    ['member', `${kept.identity.name} of cluster ${formatId(kept.identity.clusterId)}`],
    ['voters', voters.map(voterText).join(', ')],
    ['kept', keptText(report)],
    ['last written', report.lastMadeAt],
  ]);
  const warning = better
    ? `\n${better.directory} knows more: go on from that one, and nothing of what it has is lost.\n`
    : '';
  const found = report.hasMajority ? majorityText : listText(report, terminal);
  return `${facts}${warning}\n${found}\n`;
}

const majorityText = `This cluster has its majority, with this member once it is started: start it
again, and nothing is lost. This command is for a majority that is gone for good.
`;

const voterText = ({ name, answers }: VoterThere): string =>
  answers === undefined ? `${name} (this one)` : `${name} (${answers ? 'answers' : 'is gone'})`;

function keptText({ kept }: QuorumReport): string {
  const { revision } = kept.store;
  const certain = kept.revisionAt(kept.commit);
  const damaged = kept.damage ? `; its log is damaged from entry ${kept.damage.from} on` : '';
  const lacks = kept.hasLost ? `${damaged}; it may have had more, and be repairing` : damaged;
  const end = kept.isInDoubt ? `${lacks}; its state is in doubt (quarantine)` : lacks;
  if (certain === undefined || certain >= revision)
    return `everything up to revision ${revision}${end}`;
  return (
    `everything up to revision ${revision}; of ${certain + 1} to ${revision} this member was not ` +
    `told that they are committed${end}`
  );
}

function listText({ kept, others, loss }: QuorumReport, terminal: Terminal): string {
  const above = `Every revision above ${kept.store.revision} that a client was told of is lost.`;
  if (others.length === 0) {
    return `${above}\nWhich these are, only the others' directories can say (--also).\n`;
  }
  const { ranges, revisions } = loss;
  const real = revisions.filter(({ mayBeAcknowledged }) => mayBeAcknowledged);
  const never = revisions.length - real.length;
  if (real.length === 0 && ranges.length === 0) {
    const nothing = 'Nothing is lost of what the directories hold and a client may know of.';
    return `${nothing}${neverText(never)}\n`;
  }
  const lines = ranges.map(
    ({ from, to, directory }) =>
      `Lost: revisions ${from} to ${to}, of which ${directory} has only a snapshot.\n`,
  );
  const shown = real.slice(0, shownMax).map(rowOf);
  const heads = ['revision', 'entry', 'time', 'actor', 'what'];
  const more =
    real.length > shownMax ? `and ${real.length - shownMax} more; all with --output json\n` : '';
  const table = shown.length > 0 ? `Lost:\n${renderTable(terminal, heads, shown)}${more}` : '';
  return `${lines.join('')}${table}${neverText(never)}`;
}

const neverText = (count: number): string =>
  count === 0 ? '' : `\n${count} more were on no majority: no client was told that they are there.`;

const rowOf = ({ revision, entry }: LostRevision): readonly Cell[] => [
  revision,
  `${entry.index}@${entry.term}`,
  entry.time ?? undefined,
  entry.actor ?? undefined,
  entry.command,
];

export const restoredText = (restored: Restored, into: string): string => `
A new cluster, ${formatId(restored.clusterId)}, begins in ${into} at revision ${restored.revision}.
Start its first member as it was started before, with --data-dir ${into} and without
--initial-cluster; then let the other machines join it with --join, each with an empty directory.
`;

export function lossJson(report: QuorumReport, restored: Restored | undefined) {
  const { kept, others, better, voters, hasMajority, loss } = report;
  return {
    member: kept.identity.name,
    clusterId: formatId(kept.identity.clusterId),
    directory: kept.directory,
    compared: others.map(({ directory }) => directory),
    better: better?.directory ?? null,
    voters: voters.map((one) => ({ ...one, memberId: formatId(one.memberId) })),
    hasMajority,
    kept: {
      revision: kept.store.revision,
      certainRevision: kept.revisionAt(kept.commit) ?? null,
      index: kept.last.index,
      term: kept.last.term,
      lastMadeAt: report.lastMadeAt ?? null,
      damagedFrom: kept.damage?.from ?? null,
      hasLost: kept.hasLost,
      isInDoubt: kept.isInDoubt,
    },
    lost: { above: kept.store.revision, ranges: loss.ranges, revisions: loss.revisions },
    restored: restored
      ? {
          clusterId: formatId(restored.clusterId),
          memberId: formatId(restored.memberId),
          revision: restored.revision,
        }
      : null,
  };
}
