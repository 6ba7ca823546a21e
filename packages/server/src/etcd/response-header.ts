// The header of every answer, as etcd's clients expect it.
import type { ResponseHeader as EngineHeader } from '@holdfast/engine/engine';
import type { ResponseHeader } from '@holdfast/proto/etcd';

export const headerOf = ({
  clusterId,
  memberId,
  revision,
  term,
}: EngineHeader): ResponseHeader => ({ clusterId, memberId, revision, raftTerm: term });
