// Who this data directory is: written once when it is made, except for the boot epoch, which grows
// durably with every start, before the member says a word (safety.md 5, 15).
import { toText, utf8 } from '@holdfast/base/bytes';
import { HoldfastError } from '@holdfast/base/errors';
import {
  type ClusterId,
  clusterId,
  formatId,
  type MemberId,
  memberId,
  type StoreId,
  storeId,
} from '@holdfast/base/ids';
import { getCounter, putCounter, viewOf } from './byte-codec.ts';
import type { Disk } from './disk.ts';
import { TwinFile } from './twin-file.ts';

export type StoredIdentity = {
  readonly clusterId: ClusterId;
  readonly memberId: MemberId;
  readonly storeId: StoreId;
  readonly name: string;
  /** 1 at the first start; increases with each. */
  readonly bootEpoch: number;
};

export type IdentityFileOptions = { readonly disk: Disk; readonly path?: string };

const magic = 0x44494648; // "HFID"
const version = 1;
/** Longer names are refused at the door; this is the room in the file. */
export const memberNameBytesMax = 1024;

export class IdentityFile {
  readonly #file: TwinFile;

  constructor(options: IdentityFileOptions) {
    const path = options.path ?? 'identity';
    this.#file = new TwinFile(options.disk, { path, what: 'identity file', magic, version });
  }

  /**
   * The identity with its boot epoch increased and synced; undefined in a new directory, where
   * create() follows. Throws `corrupt` when no copy can be read, `version-mismatch` when a newer
   * version wrote it.
   */
  async open(): Promise<StoredIdentity | undefined> {
    const { payload, exists } = await this.#file.open();
    if (!exists) return undefined;
    if (!payload) throw unreadable();
    const found = decodeIdentity(payload);
    const identity = { ...found, bootEpoch: found.bootEpoch + 1 };
    await this.#file.save(encodeIdentity(identity));
    return identity;
  }

  /** Who lives here, without a start being counted; undefined in a new directory. Throws alike. */
  async peek(): Promise<StoredIdentity | undefined> {
    try {
      const { payload, exists } = await this.#file.open();
      if (exists && !payload) throw unreadable();
      return payload && decodeIdentity(payload);
    } finally {
      await this.close();
    }
  }

  /**
   * Of a directory whose member runs: mends a copy that has rotten from the other; answers whether
   * there was one. Throws `corrupt` when no copy can be read.
   */
  async scrub(): Promise<boolean> {
    try {
      const { payload, copiesBad, exists } = await this.#file.open();
      if (exists && !payload) throw unreadable();
      return copiesBad > 0;
    } finally {
      await this.close();
    }
  }

  /** Makes a new directory's identity durable; its boot epoch is 1. */
  async create(identity: Omit<StoredIdentity, 'bootEpoch'>): Promise<StoredIdentity> {
    const first = { ...identity, bootEpoch: 1 };
    await this.#file.save(encodeIdentity(first));
    return first;
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

const unreadable = (): HoldfastError =>
  new HoldfastError(
    'corrupt',
    'the identity file cannot be read: restore it from a backup, or remove this member from the ' +
      'cluster and add it again with an empty data directory',
  );

/** Throws `cluster-mismatch` if the directory belongs to another cluster or another member. */
export function checkIdentity(
  found: StoredIdentity,
  expected: Partial<Pick<StoredIdentity, 'clusterId' | 'memberId' | 'name'>>,
): void {
  for (const key of ['clusterId', 'name', 'memberId'] as const) {
    const [is, wanted] = [found[key], expected[key]];
    if (wanted === undefined || wanted === is) continue;
    throw new HoldfastError(
      'cluster-mismatch',
      `this data directory belongs to ${words[key]} ${show(is)}, not to ${show(wanted)}: ` +
        'choose another --data-dir, or start the member that it was made for',
      { details: { [key]: show(is), expected: show(wanted) } },
    );
  }
}

const words = { clusterId: 'cluster', memberId: 'member', name: 'the member named' } as const;

const show = (value: bigint | string): string =>
  typeof value === 'bigint' ? formatId(value) : value;

//  0 u64 cluster id   8 u64 member id   16 u64 store id   24 u64 boot epoch   32 name (UTF-8)
const fixedBytes = 32;

function encodeIdentity(identity: StoredIdentity): Uint8Array {
  const name = utf8(identity.name);
  if (name.length > memberNameBytesMax) {
    throw new HoldfastError('too-large', `a member's name has at most ${memberNameBytesMax} bytes`);
  }
  const bytes = new Uint8Array(fixedBytes + name.length);
  const view = viewOf(bytes);
  view.setBigUint64(0, identity.clusterId, true);
  view.setBigUint64(8, identity.memberId, true);
  view.setBigUint64(16, identity.storeId, true);
  putCounter(view, 24, identity.bootEpoch);
  bytes.set(name, fixedBytes);
  return bytes;
}

function decodeIdentity(bytes: Uint8Array): StoredIdentity {
  if (bytes.length < fixedBytes) throw new HoldfastError('corrupt', 'the identity file is short');
  const view = viewOf(bytes);
  return {
    clusterId: clusterId(view.getBigUint64(0, true)),
    memberId: memberId(view.getBigUint64(8, true)),
    storeId: storeId(view.getBigUint64(16, true)),
    bootEpoch: getCounter(view, 24),
    name: toText(bytes.subarray(fixedBytes)),
  };
}
