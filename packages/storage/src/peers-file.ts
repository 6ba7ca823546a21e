// Where the members are, beside the data: for a start, before the log has told it again. Settled
// when the directory is made, and saved anew whenever the cluster's members change; a copy of what
// is replicated, but for the founders, which stand nowhere else while the log begins at its first
// entry.
import { toText, utf8 } from '@holdfast/base/bytes';
import { HoldfastError } from '@holdfast/base/errors';
import { type MemberId, memberId } from '@holdfast/base/ids';
import type { Disk } from './disk.ts';
import { TwinFile, twinPayloadBytesMax } from './twin-file.ts';

export type PeerPlaceName = {
  readonly memberId: MemberId;
  readonly name: string;
  readonly peerAddress: string;
};

export type KnownPeers = {
  /** The voters that the cluster was born with; none in the directory of one that joined later. */
  readonly founders: readonly MemberId[];
  readonly members: readonly PeerPlaceName[];
  /** It joined, and votes as soon as it has caught up. Gone once it does. */
  readonly isCandidate: boolean;
};

const magic = 0x52455048; // "HPER"
const version = 1;

export class PeersFile {
  readonly #file: TwinFile;

  constructor(disk: Disk, path = 'peers') {
    this.#file = new TwinFile(disk, { path, what: 'list of peers', magic, version });
  }

  /** Undefined where there is none. Throws `corrupt`, `version-mismatch`. */
  async open(): Promise<KnownPeers | undefined> {
    const { payload, exists } = await this.#file.open();
    if (!exists) return undefined;
    if (!payload) throw unreadable();
    return decode(payload);
  }

  /** Durable when resolved; of very many members the first ones. */
  async save(known: KnownPeers): Promise<void> {
    let bytes = encode(known);
    for (let { members } = known; bytes.length > twinPayloadBytesMax; ) {
      members = members.slice(0, -1);
      bytes = encode({ ...known, members });
    }
    await this.#file.save(bytes);
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

/** JSON: of a few hundred bytes, read once a start, and by people in an emergency. */
type Stored = {
  readonly founders: readonly string[];
  readonly members: readonly (readonly [id: string, name: string, address: string])[];
  readonly candidate: boolean;
};

function encode({ founders, members, isCandidate }: KnownPeers): Uint8Array {
  const stored: Stored = {
    founders: founders.map(hex),
    members: members.map((one) => [hex(one.memberId), one.name, one.peerAddress]),
    candidate: isCandidate,
  };
  return utf8(JSON.stringify(stored));
}

function decode(payload: Uint8Array): KnownPeers {
  try {
    const { founders, members, candidate } = JSON.parse(toText(payload)) as Stored;
    return {
      founders: founders.map(fromHex),
      members: members.map(([id, name, peerAddress]) => ({
        memberId: fromHex(id),
        name,
        peerAddress,
      })),
      isCandidate: candidate,
    };
  } catch (cause) {
    throw new HoldfastError('corrupt', 'the list of peers does not decode', { cause });
  }
}

const hex = (id: MemberId): string => id.toString(16);
const fromHex = (text: string): MemberId => memberId(BigInt(`0x${text}`));

const unreadable = (): HoldfastError =>
  new HoldfastError(
    'corrupt',
    'the list of peers cannot be read in either copy: remove the file `peers`, and start this ' +
      'member once as at its first start, with the same --initial-cluster, or, if it joined or ' +
      'was restored, with --join and the client address of a member that runs',
  );
