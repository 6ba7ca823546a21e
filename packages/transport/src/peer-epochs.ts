// The newest boot epoch of each peer that any connection has shown. Frames of an older boot are
// answers from a process that no longer is (safety.md 5): their connections end at once. So do
// those of another process with the same epoch: its directory is a copy, one start old.
import { HoldfastError } from '@holdfast/base/errors';
import { formatId, type MemberId } from '@holdfast/base/ids';
import type { Hello } from './handshake.ts';

type Boot = Pick<Hello, 'storeId' | 'bootEpoch' | 'bootId'>;
export type NewerBoot = (peer: MemberId, bootEpoch: number) => void;

export class PeerEpochs {
  readonly #newest = new Map<MemberId, Boot>();
  readonly #listeners = new Set<NewerBoot>();

  /** Told before the connection that showed the newer boot is used. */
  onNewer(listener: NewerBoot): void {
    this.#listeners.add(listener);
  }

  /** Takes note of a finished handshake, or answers why its connection comes from the past. */
  observe(hello: Hello): HoldfastError | undefined {
    const { memberId, storeId, bootEpoch, bootId } = hello;
    const known = this.#newest.get(memberId);
    // Epochs count the starts of one data directory; another one begins anew.
    const comparable = known !== undefined && known.storeId === storeId;
    if (comparable && bootEpoch < known.bootEpoch) {
      return new HoldfastError('failed-precondition', olderBoot(hello, known.bootEpoch));
    }
    if (comparable && bootEpoch === known.bootEpoch) {
      // A member of an earlier version says none.
      const isSame = bootId === known.bootId || bootId === 0n || known.bootId === 0n;
      return isSame ? undefined : new HoldfastError('failed-precondition', otherProcess(hello));
    }
    this.#newest.set(memberId, { storeId, bootEpoch, bootId });
    if (known) for (const listener of this.#listeners) listener(memberId, bootEpoch);
    return undefined;
  }

  forget(peer: MemberId): void {
    this.#newest.delete(peer);
  }
}

/** Late words of an earlier process are rare; a directory that was put back is what people do. */
const olderBoot = ({ memberId, name, bootEpoch }: Hello, known: number): string =>
  `member ${name || formatId(memberId)} comes with boot ${bootEpoch} of its data directory, but ` +
  `boot ${known} of it has been seen: ${putBack}`;

const otherProcess = ({ memberId, name, bootEpoch }: Hello): string =>
  `member ${name || formatId(memberId)} comes with boot ${bootEpoch} of its directory, which ` +
  `another process has had: two run from copies of one directory, or ${putBack}`;

const putBack =
  'an older copy was put back, as from a backup, and has lost what was acknowledged since. Put ' +
  'the newest directory back, or give that place a new member with an empty one';
