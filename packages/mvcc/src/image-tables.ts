// The small tables of an image, each a section that is encoded at the moment of the image and read
// as a whole. The records and their order, which are large, are store-image.ts's and
// state-loader.ts's.
import { HoldfastError } from '@holdfast/base/errors';
import { encode } from '@holdfast/proto/encode';
import { BindMemberRequest } from '@holdfast/proto/internal';
import { checkImage, type ImageSection, sectionKinds } from './image-format.ts';
import { decodeLeases, grantedLeaseSections, olderLeaseSections } from './lease-section.ts';
import type { LeaseFacts } from './lease-table.ts';
import { decodeQuotas, quotaSections } from './quota-section.ts';
import type { Quota } from './quota-table.ts';
import { decodeSessions, sessionSections } from './session-section.ts';
import { type FrozenSession, SessionTable } from './session-table.ts';
import type { StoreState } from './store-state.ts';
import type { TimeEntry } from './time-index.ts';

/** The tables as they are at one moment: whatever changes later does not touch them. */
export type FrozenTables = {
  readonly members: readonly BindMemberRequest[];
  readonly times: readonly TimeEntry[];
  readonly leases: readonly LeaseFacts[];
  readonly sessions: readonly FrozenSession[];
  readonly quotas: readonly Quota[];
};

export const freezeTables = (state: StoreState): FrozenTables => ({
  members: state.members.members,
  times: [...state.times.entries],
  leases: state.leases.freeze(),
  sessions: state.sessions.freeze(),
  quotas: state.quotas.quotas,
});

/** One section after the other, in the order of their kinds; each is made when it is asked for. */
export function* tableSections(frozen: FrozenTables): Generator<ImageSection, void, void> {
  yield encodeMembers(frozen.members);
  yield encodeTimes(frozen.times);
  yield* olderLeaseSections(frozen.leases);
  yield* sessionSections(frozen.sessions);
  yield* grantedLeaseSections(frozen.leases);
  yield* quotaSections(frozen.quotas);
}

/** What the sections of tables have said so far. */
export class ImageTables {
  readonly members: BindMemberRequest[] = [];
  readonly times: TimeEntry[] = [];
  readonly leases: LeaseFacts[] = [];
  readonly sessions = new SessionTable();
  readonly quotas: Quota[] = [];

  /** Whether the section is one of a table, which was then taken in. Throws `corrupt`. */
  take(section: ImageSection): boolean {
    const { kind, items, payload } = section;
    switch (kind) {
      case sectionKinds.members:
        this.members.push(...decodeMembers(payload, items));
        return true;
      case sectionKinds.times:
        this.times.push(...decodeTimes(payload, items));
        return true;
      case sectionKinds.leases:
      case sectionKinds.grantedLeases:
        this.leases.push(...decodeLeases(section));
        return true;
      case sectionKinds.sessions:
        for (const session of decodeSessions(section)) this.sessions.load(session);
        return true;
      case sectionKinds.quotas:
        this.quotas.push(...decodeQuotas(section));
        return true;
      default:
        return false;
    }
  }
}

/** Each member as a length and an encoded BindMemberRequest; zeros up to a multiple of 8. */
function encodeMembers(members: readonly BindMemberRequest[]): ImageSection {
  const encoded = members.map((member) => encode(BindMemberRequest, member));
  const length = encoded.reduce((sum, bytes) => sum + 4 + bytes.length, 0);
  const payload = new Uint8Array((length + 7) & ~7);
  const view = new DataView(payload.buffer);
  let at = 0;
  for (const member of encoded) {
    view.setUint32(at, member.length, true);
    payload.set(member, at + 4);
    at += 4 + member.length;
  }
  return { kind: sectionKinds.members, items: encoded.length, payload };
}

export function decodeMembers(bytes: Uint8Array, count: number): BindMemberRequest[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const members: BindMemberRequest[] = [];
  let at = 0;
  for (let n = 0; n < count; n += 1) {
    checkImage(at + 4 <= bytes.length, 'its members are cut short');
    const end = at + 4 + view.getUint32(at, true);
    checkImage(end <= bytes.length, 'its members are cut short');
    members.push(decodeMember(bytes.subarray(at + 4, end)));
    at = end;
  }
  return members;
}

function decodeMember(bytes: Uint8Array): BindMemberRequest {
  try {
    return BindMemberRequest.decode(bytes);
  } catch (cause) {
    // The codec throws plain errors; here they mean damage.
    throw new HoldfastError('corrupt', 'the state image cannot be used: a member is damaged', {
      cause,
    });
  }
}

/** Pairs of f64: revision, wall time in ms of the log. */
function encodeTimes(entries: readonly TimeEntry[]): ImageSection {
  const payload = new Uint8Array(entries.length * 16);
  const view = new DataView(payload.buffer);
  entries.forEach((entry, n) => {
    view.setFloat64(n * 16, entry.revision, true);
    view.setFloat64(n * 16 + 8, entry.timeMs, true);
  });
  return { kind: sectionKinds.times, items: entries.length, payload };
}

export function decodeTimes(bytes: Uint8Array, count: number): TimeEntry[] {
  checkImage(bytes.length === count * 16, 'its times are cut short');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: count }, (_, n) => ({
    revision: view.getFloat64(n * 16, true),
    timeMs: view.getFloat64(n * 16 + 8, true),
  }));
}
