// What etcd's services for operators stand on beyond the waist: the member itself, and what the
// others say of themselves.

import type { Clock } from '@holdfast/base/clock';
import { HoldfastError } from '@holdfast/base/errors';
import type { EmbeddedEngine } from '@holdfast/engine/embedded-engine';
import type { Engine } from '@holdfast/engine/engine';

import type { Log } from '../log.ts';
import type { MemberReport } from '../member-report.ts';
import type { MemberReports } from '../member-reports.ts';
import type { MemberSettings } from '../settings.ts';

/** The engine of a member, as far as its operators need more than the waist. */
export type OperatedEngine = Engine & {
  readonly membership: Pick<EmbeddedEngine['membership'], 'change' | 'transfer'>;
  readonly backups: Pick<EmbeddedEngine['backups'], 'open'>;
  readonly store: Pick<
    EmbeddedEngine['store'],
    'hashRevision' | 'reclaim' | 'reclaimPending' | 'residentBytes' | 'quotas'
  >;
};

export type OperatorOptions = {
  /** Undefined while there is none. */
  readonly engine: () => OperatedEngine | undefined;
  /** What the members that can be reached say of themselves, within half a second. */
  readonly reports: () => Promise<readonly MemberReport[]>;
  /** Of the store; undefined: as much as fits. */
  readonly quotaBytes: number | undefined;
  /** How members speak with each other, and with clients. */
  readonly isTls: { readonly peer: boolean; readonly client: boolean };
  readonly log: Pick<Log, 'info' | 'warn'>;
};

export type Operator = Omit<OperatorOptions, 'engine'> & {
  readonly clock: Clock;
  /** Throws `unavailable` while there is none. */
  readonly engine: () => OperatedEngine;
};

type OperatedMember = Pick<OperatorOptions, 'engine' | 'log'> & {
  readonly settings: Pick<MemberSettings, 'tls' | 'quotaBytes'>;
  readonly reports: Pick<MemberReports, 'answered'>;
};

export const operatorOptions = (member: OperatedMember): OperatorOptions => ({
  engine: member.engine,
  reports: () => member.reports.answered(),
  quotaBytes: member.settings.quotaBytes,
  isTls: {
    peer: member.settings.tls.peer !== undefined,
    client: member.settings.tls.client !== undefined,
  },
  log: member.log,
});

export function requireEngine(engine: OperatedEngine | undefined): OperatedEngine {
  if (engine) return engine;
  throw new HoldfastError('unavailable', 'this member is starting');
}
