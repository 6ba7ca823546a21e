// Up to where a damaged log may have been acknowledged. A member that was repaired up to there
// votes again, so the answer is an upper bound or none at all: where a later write cannot be
// excluded, the files do not tell, and only a leader can say when the member is whole (safety.md
// 5).
import { index, term } from '@holdfast/base/ids';
import type { ChainedId } from '@holdfast/raft/entry';
import type { DurableMark } from './durable-mark.ts';
import type { FoundSegment } from './log-files.ts';
import { decodeGroupHeader, type GroupHeader, groupHeaderBytes } from './log-group.ts';
import { decodeRecordHeader, recordBytes } from './log-record.ts';
import { segmentDataOffset } from './segment-header.ts';
import { contentFrom } from './tail-content.ts';

/** A place in the newest segment, and the last entry that was written before it. */
type Anchor = { readonly offset: number; readonly last: ChainedId };

/**
 * The last entry that was ever written as a part of this log, and with it all that was synced. A
 * mark that is older than the log's end (a power loss) is followed group by group: only zeros may
 * stand behind the last one. Everything before the newest segment was synced before that was made.
 */
export async function findDurableEnd(
  found: readonly FoundSegment[],
  mark: DurableMark | undefined,
): Promise<ChainedId | undefined> {
  if (mark?.clean) return mark.last;
  const newest = found.at(-1);
  const anchor = newest && anchorIn(newest, mark);
  if (!anchor || newest.fileBytes !== newest.header?.size) return undefined;
  return await followGroups(newest, anchor);
}

function anchorIn({ sequence, header }: FoundSegment, mark?: DurableMark): Anchor | undefined {
  if (!header || (mark && mark.end.segment > sequence)) return undefined;
  if (mark?.end.segment === sequence) return { offset: mark.end.offset, last: mark.last };
  return {
    offset: segmentDataOffset,
    last: { id: header.previous, chain: header.previousChain },
  };
}

async function followGroups(
  { segment, fileBytes }: FoundSegment,
  anchor: Anchor,
): Promise<ChainedId | undefined> {
  let { offset, last } = anchor;
  while (offset < fileBytes) {
    const header = decodeGroupHeader(await segment.read(offset, groupHeaderBytes), 0);
    if (!header) break;
    const end = offset + groupHeaderBytes + header.bytes;
    if (end > fileBytes || !follows(header, last)) return undefined;
    const written = lastOf(await segment.read(offset + groupHeaderBytes, header.bytes), header);
    if (!written) return undefined;
    last = written;
    offset = end;
  }
  const behind = await contentFrom(segment, offset, fileBytes);
  return behind.length === 0 ? last : undefined;
}

/** A group may replace what was before it; a hole before it means that something was lost. */
const follows = (header: GroupHeader, { id, chain }: ChainedId): boolean =>
  header.firstIndex <= id.index ||
  (header.firstIndex === id.index + 1 && header.previousChain === chain);

/** The group's last entry. A damaged payload hides nothing here, a damaged header the place. */
function lastOf(bytes: Uint8Array, group: GroupHeader): ChainedId | undefined {
  let at = 0;
  let last: ChainedId | undefined;
  for (let count = 0; count < group.count; count += 1) {
    const record = decodeRecordHeader(bytes, at);
    if (record?.index !== group.firstIndex + count) return undefined;
    const id = { index: index(record.index), term: term(record.term) };
    last = { id, chain: record.chain };
    at += recordBytes(record.payloadLength);
  }
  return at === bytes.length && last?.chain === group.lastChain ? last : undefined;
}
