// Alarms are not raised here, and not kept: they are what is the case now. A member that takes no
// more is short of space, one in quarantine holds another state than the others.
import type { EngineStatus } from '@holdfast/engine/engine';
import type { AlarmRequest, AlarmResponse } from '@holdfast/proto/etcd';
import { type AlarmMember, AlarmRequest_AlarmAction, AlarmType } from '@holdfast/proto/etcd';

import { GrpcStatus, statusCodes } from '../grpc/status.ts';
import { kvKeyspace } from '../http/kv-view.ts';
import type { MemberReport } from '../member-report.ts';
import type { Operator } from './etcd-operator.ts';
import { headerOfStatus } from './response-header.ts';

const { NONE, NOSPACE, CORRUPT } = AlarmType;

/** Throws a GrpcStatus for what can not be done. */
export async function answerAlarm(
  operator: Operator,
  { action, alarm }: AlarmRequest,
): Promise<AlarmResponse> {
  const header = headerOfStatus(operator.engine().status());
  switch (action) {
    case AlarmRequest_AlarmAction.GET: {
      const alarms = await allAlarms(operator);
      return { header, alarms: alarms.filter((one) => alarm === NONE || one.alarm === alarm) };
    }
    case AlarmRequest_AlarmAction.DEACTIVATE:
      // It goes by itself with its cause, and stays as long as that does: none was ended now.
      return { header, alarms: [] };
    default:
      throw notRaised();
  }
}

/** Of this member, at no cost. */
export function ownAlarms(operator: Operator, status: EngineStatus): readonly AlarmMember[] {
  const { memberId: memberID, integrity } = status;
  const alarms: AlarmMember[] = [];
  if (isFull(operator, status)) alarms.push({ memberID, alarm: NOSPACE });
  if (integrity?.quarantine) alarms.push({ memberID, alarm: CORRUPT });
  // As etcd names nobody where nobody can tell who is right.
  if (integrity?.verdict.kind === 'undecided') alarms.push({ memberID: 0n, alarm: CORRUPT });
  return alarms;
}

/** As etcd's clients are shown it among the errors of a member. */
export const alarmText = ({ memberID, alarm }: AlarmMember): string =>
  [
    memberID === 0n ? '' : `memberID:${memberID} `,
    `alarm:${alarm === NOSPACE ? 'NOSPACE' : 'CORRUPT'} `,
  ].join('');

async function allAlarms(operator: Operator): Promise<readonly AlarmMember[]> {
  const status = operator.engine().status();
  const others = (await operator.reports()).flatMap(alarmsOf);
  const own = ownAlarms(operator, status);
  return [...own, ...others.filter(({ memberID }) => memberID !== status.memberId)];
}

function alarmsOf({ id, diskFull, quarantine }: MemberReport): readonly AlarmMember[] {
  const memberID = BigInt(`0x${id}`);
  const alarms: AlarmMember[] = [];
  if (diskFull) alarms.push({ memberID, alarm: NOSPACE });
  if (quarantine) alarms.push({ memberID, alarm: CORRUPT });
  return alarms;
}

/** For clients of etcd: what limits a namespace of configurations is none of their business. */
function isFull({ engine, quotaBytes }: Operator, { disk, bytes }: EngineStatus): boolean {
  if (disk !== 'well' || (quotaBytes !== undefined && bytes >= quotaBytes)) return true;
  return engine().store.quotas.some(
    (one) =>
      one.keyspace === kvKeyspace &&
      one.namespace === '' &&
      one.bytesMax > 0 &&
      one.bytes >= one.bytesMax,
  );
}

const notRaised = (): GrpcStatus =>
  new GrpcStatus(
    statusCodes.unimplemented,
    'alarms are not raised by hand here: they say what is the case; to stop writes of clients, ' +
      'set a quota (holdfast quota set)',
  );
