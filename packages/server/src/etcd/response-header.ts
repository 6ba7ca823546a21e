// The header of every answer, as etcd's clients expect it.
import type { ResponseHeader as EngineHeader, EngineStatus } from '@holdfast/engine/engine';
import type { ResponseHeader } from '@holdfast/proto/etcd';

export const headerOf = ({
  clusterId,
  memberId,
  revision,
  term,
}: EngineHeader): ResponseHeader => ({ clusterId, memberId, revision, raftTerm: term });

/** Of what neither read nor wrote. */
export const headerOfStatus = ({
  clusterId,
  memberId,
  revision,
  term,
}: EngineStatus): ResponseHeader => ({ clusterId, memberId, revision, raftTerm: term });
