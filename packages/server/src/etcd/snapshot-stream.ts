// etcd's Snapshot: our own backup, sealed so that etcd's tools keep it. It is what this member
// knows, as etcd's is: it can be had where there is no majority any more.
import { startDeadline, waitFor } from '@holdfast/base/deadline';
import { messageOf } from '@holdfast/base/errors';
import type { OpenBackup } from '@holdfast/engine/backups';
import { SnapshotRequest, SnapshotResponse } from '@holdfast/proto/etcd';

import type { StreamMethod } from '../grpc/method.ts';
import { type AnswerCall, serverStreamMethod } from '../grpc/server-stream.ts';
import { GrpcStatus, statusCodes } from '../grpc/status.ts';
import type { Operator } from './etcd-operator.ts';
import { etcdStatusOf } from './etcd-status.ts';
import { headerOfStatus } from './response-header.ts';

/** A reader that takes nothing for so long is taken for dead. */
const stuckMs = 30_000;

export function snapshotMethod(operator: Operator): StreamMethod {
  return serverStreamMethod(
    { name: 'Maintenance/Snapshot', statusOf: etcdStatusOf },
    [SnapshotRequest, SnapshotResponse],
    (_request, call) => sendSnapshot(operator, call),
  );
}

async function sendSnapshot(operator: Operator, call: AnswerCall<SnapshotResponse>): Promise<void> {
  const { log } = operator;
  const read = { ...call, consistency: { level: 'stale' } } as const;
  const backup = await operator.engine().backups.open(read, call.signal, true);
  const { revision } = backup.head;
  log.info({ actor: call.actor, revision }, 'a snapshot was asked for');
  try {
    await sendPieces(operator, backup, call);
    log.info({ revision }, 'a snapshot was sent');
  } catch (error) {
    log.warn({ revision, reason: messageOf(error) }, 'a snapshot was broken off');
    throw error;
  } finally {
    await backup.close();
  }
}

/** The last piece makes it whole, and leaves only if the state is still sound. */
async function sendPieces(
  operator: Operator,
  backup: OpenBackup,
  call: AnswerCall<SnapshotResponse>,
): Promise<void> {
  const header = headerOfStatus(operator.engine().status());
  let sentBytes = 0;
  const send = async (blob: Uint8Array, isLast: boolean): Promise<void> => {
    sentBytes += blob.length;
    // How many there will be is known about: nobody may take another one than the last for it.
    const remainingBytes = isLast ? 0 : Math.max(1, backup.head.storeBytes - sentBytes);
    await taken(operator, call, { header, remainingBytes, blob, version: '' });
  };
  let last: Uint8Array | undefined;
  for await (const piece of backup.pieces) {
    if (last) await send(last, false);
    last = piece;
  }
  backup.requireSound();
  if (last) await send(last, true);
}

async function taken(
  { clock }: Operator,
  call: AnswerCall<SnapshotResponse>,
  response: SnapshotResponse,
): Promise<void> {
  const deadline = startDeadline(clock, stuckMs, call.signal);
  try {
    await waitFor(call.send(response), deadline.signal);
  } catch (error) {
    call.signal.throwIfAborted();
    throw deadline.signal.aborted ? stuck() : error;
  } finally {
    deadline.dispose();
  }
}

const stuck = (): GrpcStatus =>
  new GrpcStatus(
    statusCodes.deadlineExceeded,
    `whoever reads the snapshot took nothing for ${stuckMs / 1000} s`,
  );
