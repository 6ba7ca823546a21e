// The commands of a group as if each of them had an entry to itself: that is what people ask for.
// Pure.
import {
  entriesOfGroup,
  entryProposedAtMs,
  isEntryGroup,
  stampEntryEnvelope,
} from '@holdfast/proto/entry-envelope';
import type { Entry } from '@holdfast/raft/entry';

/** An entry that is no group, or one that does not decode, stays as it is. */
export function commandsOf(entry: Entry): readonly Entry[] {
  const { kind, payload } = entry;
  if (kind !== 'command' || !isEntryGroup(payload)) return [entry];
  try {
    const timeMs = entryProposedAtMs(payload);
    return entriesOfGroup(payload).map((envelope) => ({ ...entry, payload: at(timeMs, envelope) }));
  } catch {
    return [entry]; // Shown as what does not decode.
  }
}

function at(timeMs: number, envelope: Uint8Array): Uint8Array {
  const stamped = envelope.slice();
  stampEntryEnvelope(stamped, timeMs);
  return stamped;
}
