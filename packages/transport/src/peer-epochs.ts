// The newest boot epoch of each peer that any connection has shown. Frames of an older boot are
// answers from a process that no longer is (safety.md 5): their connections end at once.
import { HoldfastError } from '@holdfast/base/errors';
import { formatId, type MemberId, type StoreId } from '@holdfast/base/ids';
import type { Hello } from './handshake.ts';

type Boot = { readonly storeId: StoreId; readonly bootEpoch: number };
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
    const { memberId, storeId, bootEpoch } = hello;
    const known = this.#newest.get(memberId);
    // Epochs count the starts of one data directory; another one begins anew.
    const comparable = known !== undefined && known.storeId === storeId;
    if (comparable && bootEpoch < known.bootEpoch) {
      return new HoldfastError('failed-precondition', olderBoot(hello, known.bootEpoch));
    }
    if (comparable && bootEpoch === known.bootEpoch) return undefined;
    this.#newest.set(memberId, { storeId, bootEpoch });
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
  `boot ${known} of it has been seen: an older copy was put back, as from a backup, and has lost ` +
  'what was acknowledged since. Put the newest directory back, or remove that member and add it ' +
  'again with an empty one';
