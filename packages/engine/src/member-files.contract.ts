// What every StatusStore, SnapshotStore and StateMachine must do, as test suites: run on the real
// ones and on their memory twins.
import { concatBytes, utf8 } from '@holdfast/base/bytes';
import { crc32 } from '@holdfast/base/crc32';
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

const storedAt = (at: number, image: string | Uint8Array): StoredSnapshot => {
  const bytes = typeof image === 'string' ? utf8(image) : image;
  return {
    ...metaAt(at),
    bytes: bytes.length,
    stateHash: BigInt(at),
    checksum: crc32(bytes),
  };
};

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
    expect(found).toEqual([storedAt(9, 'nine'), storedAt(5, 'five')]);
    expect(await bytesOf(again.read(found[1] as StoredSnapshot))).toEqual(utf8('five'));
    expect(await bytesOf(again.read(found[1] as StoredSnapshot, 3))).toEqual(utf8('e'));
  });

  it('retains as many of the newest as it is told', async () => {
    const store = newStore();
    await store.open();
    for (const at of [3, 7, 5]) await write(store, at, `${at}`);
    const left = await store.retain(2);
    expect(left.map(({ last }) => last.index)).toEqual([7, 5]);
    await expect(bytesOf(store.read(storedAt(3, '3')))).rejects.toThrow();
  });

  it('retains what is held beside them, until it is not', async () => {
    const store = newStore();
    await store.open();
    for (const at of [3, 5, 7, 9]) await write(store, at, `${at}`);
    const left = await store.retain(2, [metaAt(3).last]);
    expect(left.map(({ last }) => last.index)).toEqual([9, 7, 3]);
    expect(await bytesOf(store.read(storedAt(3, '3')))).toEqual(utf8('3'));
    expect(await store.retain(2)).toHaveLength(2);
  });

  it('takes in a received one, and goes on where it broke off', async () => {
    const store = newStore();
    await store.open();
    const image = new Uint8Array(600_000).map((_, at) => at % 251);
    const wanted = storedAt(4, image);
    const first = await store.receive(wanted);
    await first?.write(image.subarray(0, 400_000));
    await first?.suspend();
    expect(await store.open()).toEqual([]); // A part is no snapshot.
    const second = await store.receive(wanted);
    const offset = second?.offset ?? 0;
    expect(offset).toBeGreaterThan(100_000);
    await second?.write(image.subarray(offset));
    await second?.commit();
    expect(await store.receive(wanted)).toBeUndefined(); // It stands here.
    const again = reopened();
    expect(await again.open()).toEqual([wanted]);
    // Not `toEqual`, which takes seconds for as many bytes.
    const found = Buffer.from(await bytesOf(again.read(wanted)));
    expect(found.equals(image)).toBe(true);
  });

  it('refuses a received one that is not as announced, and keeps none of it', async () => {
    const store = newStore();
    await store.open();
    const wanted = storedAt(4, 'four');
    const writer = await store.receive(wanted);
    await writer?.write(utf8('tour'));
    await expect(writer?.commit()).rejects.toMatchObject({ code: 'corrupt' });
    await writer?.suspend();
    expect((await store.receive(wanted))?.offset).toBe(0);
    expect(await store.open()).toEqual([]);
  });

  it('sets aside what is rejected', async () => {
    const store = newStore();
    await store.open();
    await write(store, 5, 'five');
    await store.reject(storedAt(5, 'five'), 'it is no state');
    expect(await reopened().open()).toEqual([]);
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
