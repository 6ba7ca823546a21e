// Counts records in the accounts of the quotas: one by one as they are written, and all of a state
// that was loaded.
import type { YieldNow } from './image-format.ts';
import { type Charge, chargeOf, configsKeyspace, type QuotaTable } from './quota-table.ts';
import type { RecordHeap } from './record-heap.ts';

const slotsPerSlice = 32_768;

/** Of a state, what a count goes through. */
type Counted = {
  readonly heap: RecordHeap;
  readonly slots: number;
  newestOf(slot: number): number;
};

/** The key's newest record is `address` now, in the place of `old` (0: there was none). */
export function countChange(
  quotas: QuotaTable,
  heap: RecordHeap,
  { old, address }: { readonly old: number; readonly address: number },
): void {
  if (old !== 0) countOne(quotas, heap, { address: old, sign: -1 });
  countOne(quotas, heap, { address, sign: 1 });
}

/** What a living record counts for; a tombstone counts for nothing. */
export function recordCharge(heap: RecordHeap, address: number): Charge {
  if (heap.isTombstone(address)) return nothing;
  const keyspace = heap.keyspace(address);
  // The usual case, without a look at the bytes.
  if (keyspace !== configsKeyspace) return { namespace: '', bytes: heap.sizeOf(address) };
  return chargeOf(keyspace, heap.key(address), heap.value(address));
}

/** Counts every key of a state in, between which other work has its turns. */
export async function countAll(
  state: Counted & { readonly quotas: QuotaTable },
  yieldNow: YieldNow,
): Promise<void> {
  for (let slot = 0; slot < state.slots; slot += slotsPerSlice) {
    countSlots(state, state.quotas, { lo: slot, hi: slot + slotsPerSlice });
    await yieldNow();
  }
}

export function countSlots(
  state: Counted,
  quotas: QuotaTable,
  { lo, hi }: { readonly lo: number; readonly hi: number },
): void {
  for (let slot = lo; slot < Math.min(hi, state.slots); slot += 1) {
    const newest = state.newestOf(slot);
    if (newest !== 0) countOne(quotas, state.heap, { address: newest, sign: 1 });
  }
}

function countOne(
  quotas: QuotaTable,
  heap: RecordHeap,
  { address, sign }: { readonly address: number; readonly sign: 1 | -1 },
): void {
  const { namespace, bytes } = recordCharge(heap, address);
  if (bytes > 0) quotas.count(heap.keyspace(address), { namespace, bytes: sign * bytes });
}

const nothing: Charge = { namespace: '', bytes: 0 };
