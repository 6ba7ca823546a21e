// What a backup holds, for people and for programs.
import { formatId } from '@holdfast/base/ids';
import type { BackupSummary } from '@holdfast/storage/backup-reader';

import type { Cell } from '../table.ts';

export const backupFacts = (summary: BackupSummary): readonly (readonly [string, Cell])[] => {
  const { head, bytes, blocks } = summary;
  return [
    ['cluster', formatId(head.clusterId)],
    ['made by', `member ${formatId(head.memberId)}, Holdfast ${head.version}`],
    ['made at', new Date(head.createdAtMs).toISOString()],
    ['revision', head.revision],
    ['entry', `${head.last.index} of term ${head.last.term}`],
    ['cluster version', head.clusterVersion],
    ['state hash', formatId(head.stateHash)],
    ['size', `${bytes} bytes in ${blocks} blocks`],
  ];
};

export function backupJson({ head, bytes, imageBytes, imageCrc, blocks }: BackupSummary) {
  const { clusterId, memberId, clusterVersion, revision, last, version } = head;
  return {
    clusterId: formatId(clusterId),
    memberId: formatId(memberId),
    clusterVersion,
    version,
    createdAt: new Date(head.createdAtMs).toISOString(),
    revision,
    index: last.index,
    term: last.term,
    stateHash: formatId(head.stateHash),
    bytes,
    imageBytes,
    imageCrc: imageCrc.toString(16).padStart(8, '0'),
    blocks,
  };
}
