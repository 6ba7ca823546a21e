// The calls about leases as frames carry them, and what their answers mean. A call without a form
// here (undefined) goes over HTTP, where the member says what is wrong with it.
import { toText } from '@holdfast/base/bytes';
import type { Response } from '@holdfast/proto/client';

import type { ReadOptions } from './config-api.ts';
import type { FrameRequest } from './frame-calls.ts';
import { areNatural, idOf, readFrame, writeFrame } from './frame-forms.ts';
import type { LeaseGrant, LeaseStatus, LeaseTime } from './lease-api.ts';

export function grantFrame(ttlMs: number, text: string | undefined): FrameRequest | undefined {
  const id = text === undefined ? 0n : idOf(text);
  if (id === undefined || !areNatural(ttlMs)) return undefined;
  return writeFrame({ $case: 'leaseGrant', value: { id, ttlMs } });
}

export function revokeFrame(text: string): FrameRequest | undefined {
  const id = idOf(text);
  return id === undefined
    ? undefined
    : writeFrame({ $case: 'leaseRevoke', value: { id, judgedAt: 0 } });
}

export function keepAliveFrame(text: string): FrameRequest | undefined {
  const id = idOf(text);
  return id === undefined ? undefined : writeFrame({ $case: 'leaseKeepAlive', value: { id } });
}

export function timeFrame(text: string, keys: boolean): FrameRequest | undefined {
  const id = idOf(text);
  return id === undefined ? undefined : writeFrame({ $case: 'leaseTime', value: { id, keys } });
}

export function leasesFrame(
  options: ReadOptions & { readonly limit?: number | undefined },
): FrameRequest | undefined {
  const { limit } = options;
  // Zero says that the member chooses; asked for as a limit it means none.
  if (limit !== undefined && (!areNatural(limit) || limit === 0)) return undefined;
  return readFrame({ $case: 'leases', value: { limit: limit ?? 0 } }, options);
}

export function grantOf({ response: said }: Response): LeaseGrant {
  const { id, ttlMs } = said?.$case === 'leaseGrant' ? said.value : { id: 0n, ttlMs: 0 };
  return { id: id.toString(), ttlMs };
}

export const revokedBy = ({ response: said }: Response): { readonly deleted: number } => ({
  deleted: said?.$case === 'leaseRevoke' ? said.value.deleted : 0,
});

export function timeOf({ response: said }: Response): LeaseTime {
  const none = { id: 0n, ttlMs: 0, remainingMs: 0 };
  const { id, ttlMs, remainingMs } = said?.$case === 'leaseTime' ? said.value : none;
  return { id: id.toString(), ttlMs, remainingMs };
}

/** `keys`: they were asked for. */
export function statusOf(response: Response, keys: boolean): LeaseStatus {
  const { response: said } = response;
  const named = said?.$case === 'leaseTime' ? said.value.keys.map(toText) : [];
  return { ...timeOf(response), keys: keys ? named : undefined };
}

export function leasesOf({ response: said }: Response) {
  const { ids, count } = said?.$case === 'leases' ? said.value : { ids: [], count: 0 };
  return { ids: ids.map(String), count };
}
