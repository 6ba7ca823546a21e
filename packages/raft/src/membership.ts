// Membership changes (thesis chapter 4). Voters change through a joint configuration, in one step
// however many they are; learners alone change simply. One change at a time, and none before this
// leader has committed an entry of its own term (the known flaw of changes across terms).
import type { RequestId } from '@holdfast/base/ids';
import {
  type Configuration,
  encodeConfiguration,
  isJoint,
  newConfiguration,
} from './configuration.ts';
import type { Core } from './core.ts';
import { appendOwn } from './leader-log.ts';
import type { LeaderState } from './leader-state.ts';

export type MembershipTarget = Pick<Configuration, 'voters' | 'learners'>;

export function changeMembership(
  core: Core,
  change: { readonly requestId: RequestId; readonly target: MembershipTarget },
): void {
  const { requestId, target } = change;
  if (core.role.name !== 'leader') {
    core.refuse(requestId, 'not-leader');
    return;
  }
  const { leader } = core.role;
  if (leader.transfer) core.refuse(requestId, 'transferring');
  else if (isBadTarget(target)) core.refuse(requestId, 'bad-change');
  else if (isChangeInFlight(core, leader)) core.refuse(requestId, 'change-in-flight');
  else enterChange(core, leader, { requestId, target });
}

const isBadTarget = (target: MembershipTarget): boolean =>
  target.voters.length === 0 || target.learners.some((id) => target.voters.includes(id));

const isChangeInFlight = (core: Core, leader: LeaderState): boolean =>
  isJoint(core.configuration) ||
  core.configurationIndex > core.commit ||
  core.commit < leader.firstIndex;

function enterChange(
  core: Core,
  leader: LeaderState,
  change: { readonly requestId: RequestId; readonly target: MembershipTarget },
): void {
  const { voters } = core.configuration;
  const target = newConfiguration(change.target);
  const keepsVoters = sameMembers(voters, target.voters);
  const configuration = keepsVoters ? target : { ...target, votersOutgoing: voters };
  const id = appendConfiguration(core, leader, configuration);
  if (keepsVoters) core.answerAppended(change.requestId, id);
  else leader.changeRequest = change.requestId;
}

/** Once the joint configuration is committed, the old half may go. */
export function maybeLeaveJoint(core: Core, leader: LeaderState): void {
  const { configuration } = core;
  if (!isJoint(configuration) || core.configurationIndex > core.commit) return;
  const id = appendConfiguration(core, leader, { ...configuration, votersOutgoing: [] });
  if (leader.changeRequest !== undefined) core.answerAppended(leader.changeRequest, id);
  leader.changeRequest = undefined;
}

function appendConfiguration(core: Core, leader: LeaderState, configuration: Configuration) {
  return appendOwn(core, leader, {
    kind: 'membership',
    payload: encodeConfiguration(configuration),
  });
}

const sameMembers = (a: readonly bigint[], b: readonly bigint[]): boolean =>
  a.length === b.length && a.every((id) => b.includes(id));
