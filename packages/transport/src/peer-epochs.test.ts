// Goal: a process that no longer is cannot speak. Method: handshakes of several boots, in any
// order.
import { memberId, storeId } from '@holdfast/base/ids';
import { describe, expect, it } from 'vitest';
import { PeerEpochs } from './peer-epochs.ts';

const hello = (bootEpoch: number, store = 1n, bootId = BigInt(bootEpoch)) => ({
  memberId: memberId(1n),
  storeId: storeId(store),
  bootEpoch,
  bootId,
  features: 0,
  name: '',
});

describe('peer epochs', () => {
  it('tell of a newer boot once, and of the first never', () => {
    const epochs = new PeerEpochs();
    const newer: number[] = [];
    epochs.onNewer((_peer, bootEpoch) => newer.push(bootEpoch));
    for (const bootEpoch of [3, 3, 4, 4, 9])
      expect(epochs.observe(hello(bootEpoch))).toBeUndefined();
    expect(newer).toEqual([4, 9]);
  });

  it('refuse an older boot', () => {
    const epochs = new PeerEpochs();
    epochs.observe(hello(5));
    expect(epochs.observe(hello(4))?.message).toMatch(
      /boot 4 .*boot 5 of it has been seen: an older copy/,
    );
    expect(epochs.observe(hello(5))).toBeUndefined();
  });

  it('refuse another process of the same boot: its directory is a copy, one start old', () => {
    const epochs = new PeerEpochs();
    epochs.observe(hello(5, 1n, 77n));
    expect(epochs.observe(hello(5, 1n, 77n))).toBeUndefined();
    expect(epochs.observe(hello(5, 1n, 78n))?.message).toMatch(/boot 5 .*another process has had/);
    // A member of an earlier version does not say which process it is.
    expect(epochs.observe(hello(5, 1n, 0n))).toBeUndefined();
    expect(epochs.observe(hello(6, 1n, 78n))).toBeUndefined();
  });

  it('begin anew with another data directory, and after forget()', () => {
    const epochs = new PeerEpochs();
    epochs.observe(hello(5));
    expect(epochs.observe(hello(1, 2n))).toBeUndefined();
    epochs.observe(hello(7, 2n));
    epochs.forget(memberId(1n));
    expect(epochs.observe(hello(1, 2n))).toBeUndefined();
  });
});
