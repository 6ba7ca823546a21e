// What every StatusStore, SnapshotStore and StateMachine must do, as test suites: run on the real
// ones and on their memory twins.
import { concatBytes, utf8 } from '@holdfast/base/bytes';
import { index, memberId, term } from '@holdfast/base/ids';
import { newConfiguration } from '@holdfast/raft/configuration';
import type { Entry } from '@holdfast/raft/entry';
import type { SnapshotMeta } from '@holdfast/raft/message';
import type {
  SnapshotStore,
  StateMachine,
  StatusStore,
  StoredSnapshot,
  StoredStatus,
} from '@holdfast/replica/ports';
import { expect, it } from 'vitest';

export function statusStoreContract(
  newStore: () => StatusStore,
  reopened: () => StatusStore,
): void {
  it('finds nothing in a new directory, and then what was saved last', async () => {
    const store = newStore();
    expect(await store.open()).toEqual({ status: undefined, lost: false, copiesBad: 0 });
    const state = { term: term(3), vote: memberId(7n), repairing: { target: index(9) } };
    const statuses: StoredStatus[] = [
      { state: { ...state, repairing: undefined }, installing: false },
      { state, installing: true },
    ];
    for (const status of statuses) await store.save(status);
    await store.close();
    expect(await reopened().open()).toEqual({ status: statuses[1], lost: false, copiesBad: 0 });
  });
}

const metaAt = (at: number): SnapshotMeta => ({
  last: { index: index(at), term: term(2) },
  configuration: newConfiguration({ voters: [memberId(1n)] }),
});

async function bytesOf(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk.slice());
  return concatBytes(...parts);
}

export function snapshotStoreContract(
  newStore: () => SnapshotStore,
  reopened: () => SnapshotStore,
): void {
  const write = async (store: SnapshotStore, at: number, text: string): Promise<void> => {
    const writer = await store.create(metaAt(at), BigInt(at));
    for (const letter of text) await writer.write(utf8(letter));
    await writer.commit();
    await writer.abort(); // After a commit it does nothing.
  };

  it('keeps what was committed, newest first, and nothing that was not', async () => {
    const store = newStore();
    expect(await store.open()).toEqual([]);
    await write(store, 5, 'five');
    await write(store, 9, 'nine');
    const aborted = await store.create(metaAt(12), 0n);
    await aborted.write(utf8('x'));
    await aborted.abort();
    await store.close();
    const again = reopened();
    const found = await again.open();
    expect(found).toEqual([
      { ...metaAt(9), bytes: 4, stateHash: 9n },
      { ...metaAt(5), bytes: 4, stateHash: 5n },
    ]);
    expect(await bytesOf(again.read(found[1] as StoredSnapshot))).toEqual(utf8('five'));
  });

  it('retains as many of the newest as it is told', async () => {
    const store = newStore();
    await store.open();
    for (const at of [3, 7, 5]) await write(store, at, `${at}`);
    const left = await store.retain(2);
    expect(left.map(({ last }) => last.index)).toEqual([7, 5]);
    await expect(bytesOf(store.read({ ...metaAt(3), bytes: 1, stateHash: 3n }))).rejects.toThrow();
  });
}

export function stateMachineContract(
  newMachine: () => StateMachine,
  commandAt: (at: number) => Uint8Array,
): void {
  const entryAt = (at: number, kind: Entry['kind'] = 'command'): Entry => ({
    index: index(at),
    term: term(1),
    kind,
    payload: kind === 'command' ? commandAt(at) : new Uint8Array(),
  });
  const applied = (through: number): StateMachine => {
    const machine = newMachine();
    for (let at = 1; at <= through; at += 1) machine.apply([entryAt(at)]);
    return machine;
  };

  it('applies in order, in whatever batches, with one answer each', () => {
    const machine = newMachine();
    const batch = [entryAt(1), entryAt(2, 'empty'), entryAt(3)];
    expect(machine.apply(batch)).toHaveLength(3);
    expect(machine.appliedIndex).toBe(3);
    expect(machine.lastProposedAtMs).toBe(3);
    expect(() => machine.apply([entryAt(3)])).toThrow('in order');
    const other = newMachine();
    for (const entry of batch) other.apply([entry]);
    expect(other.stateHash).toBe(machine.stateHash);
  });

  it('gives an image of one moment, from which another one goes on', async () => {
    const machine = applied(20);
    const image = machine.image();
    machine.apply([entryAt(21)]);
    expect([image.appliedIndex, image.stateHash === machine.stateHash]).toEqual([20, false]);
    const other = newMachine();
    await other.restore({ index: index(20), term: term(1) }, image.chunks());
    expect(other.stateHash).toBe(image.stateHash);
    image.release();
    other.apply([entryAt(21)]);
    expect(other.stateHash).toBe(machine.stateHash);
    expect(other.lastProposedAtMs).toBe(21);
  });

  it('keeps its old state when an image breaks off, or is another one', async () => {
    const machine = applied(3);
    const before = machine.stateHash;
    const image = applied(9).image();
    const last = { index: index(9), term: term(1) };
    const broken = async function* (): AsyncGenerator<Uint8Array> {
      for await (const chunk of image.chunks()) {
        yield chunk.subarray(0, chunk.length / 2);
        return;
      }
    };
    await expect(machine.restore(last, broken())).rejects.toMatchObject({ code: 'corrupt' });
    const wrong = machine.restore({ ...last, index: index(8) }, image.chunks());
    await expect(wrong).rejects.toMatchObject({ code: 'failed-precondition' });
    expect([machine.stateHash, machine.appliedIndex]).toEqual([before, 3]);
  });
}
