// Goal: a snapshot comes in the order that the contract names, or not at all, and goes on where it
// broke off (D-13, D-14). Method: a receiver that is fed frames by hand, and two members on the
// memory network whose link is reset in the middle.
import { HoldfastError } from '@holdfast/base/errors';
import { ManualClock } from '@holdfast/base/manual-clock';
import { SnapshotBegin, SnapshotEnd, SnapshotProgress, SnapshotResult } from '@holdfast/proto/peer';
import { describe, expect, it } from 'vitest';
import { frameKinds } from './frame.ts';
import { MemoryNetwork } from './memory-link.ts';
import { beginOf, idOf, TestMember } from './peer-mesh.fixture.ts';
import { encodeSnapshotChunk } from './snapshot-chunk.ts';
import { SnapshotReceiver, type SnapshotReceiverOptions } from './snapshot-receiver.ts';

type Fed = {
  readonly receiver: SnapshotReceiver;
  readonly told: string[];
  feed(kind: number, payload: Uint8Array): void;
};

/** Every reaction to what has been fed has run. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}

function newReceiver(accept: SnapshotReceiverOptions['accept']): Fed {
  const told: string[] = [];
  const receiver = new SnapshotReceiver({
    windowBytes: 1000,
    send: (kind, payload) => {
      if (kind === frameKinds.snapshotProgress) {
        told.push(`from ${SnapshotProgress.decode(payload).received}`);
      } else told.push(`result ${SnapshotResult.decode(payload).code}`);
    },
    accept,
  });
  const feed = (kind: number, payload: Uint8Array): void =>
    receiver.onFrame({ kind, flags: 0, group: 0, payload });
  return { receiver, told, feed };
}

const begin = (bytes: number): Uint8Array => SnapshotBegin.encode(beginOf(bytes)).finish();
const end = (bytes: number): Uint8Array => SnapshotEnd.encode({ bytes }).finish();
const chunk = (offset: number, length: number): Uint8Array =>
  encodeSnapshotChunk(offset, new Uint8Array(length));
const takeAll: SnapshotReceiverOptions['accept'] = async (_begin, chunksFrom) => {
  for await (const _ of chunksFrom(100));
};

describe('a receiver of a snapshot', () => {
  it('says where the stream begins before a byte is sent, and gives its word at the end', async () => {
    const { told, feed } = newReceiver(takeAll);
    feed(frameKinds.snapshotBegin, begin(300));
    expect(told).toEqual(['from 100']);
    feed(frameKinds.snapshotChunk, chunk(100, 150));
    feed(frameKinds.snapshotChunk, chunk(250, 50));
    feed(frameKinds.snapshotEnd, end(300));
    await settled();
    expect(told).toEqual(['from 100', 'result ']);
  });

  it('asks for nothing where it needs nothing', async () => {
    const { told, feed } = newReceiver(() => Promise.resolve());
    feed(frameKinds.snapshotBegin, begin(300));
    await settled();
    expect(told).toEqual(['result ']);
  });

  it('refuses what is out of state', () => {
    const refused: readonly (readonly [string, (fed: Fed) => void])[] = [
      ['a chunk before the begin', ({ feed }) => feed(frameKinds.snapshotChunk, chunk(0, 1))],
      ['an end before the begin', ({ feed }) => feed(frameKinds.snapshotEnd, end(0))],
      [
        'a second begin',
        ({ feed }) => {
          feed(frameKinds.snapshotBegin, begin(300));
          feed(frameKinds.snapshotBegin, begin(300));
        },
      ],
      [
        'a chunk at another place than the one that was asked for',
        ({ feed }) => {
          feed(frameKinds.snapshotBegin, begin(300));
          feed(frameKinds.snapshotChunk, chunk(0, 100));
        },
      ],
      [
        'a chunk that leaves a gap',
        ({ feed }) => {
          feed(frameKinds.snapshotBegin, begin(300));
          feed(frameKinds.snapshotChunk, chunk(100, 50));
          feed(frameKinds.snapshotChunk, chunk(151, 50));
        },
      ],
      [
        'bytes beyond the end',
        ({ feed }) => {
          feed(frameKinds.snapshotBegin, begin(300));
          feed(frameKinds.snapshotChunk, chunk(100, 201));
        },
      ],
      [
        'an end before the last byte',
        ({ feed }) => {
          feed(frameKinds.snapshotBegin, begin(300));
          feed(frameKinds.snapshotChunk, chunk(100, 100));
          feed(frameKinds.snapshotEnd, end(200));
        },
      ],
    ];
    for (const [name, act] of refused) {
      expect(() => act(newReceiver(takeAll)), name).toThrow(HoldfastError);
    }
  });

  it('refuses a chunk while nobody has asked for bytes', () => {
    const { feed } = newReceiver(() => new Promise(() => undefined));
    feed(frameKinds.snapshotBegin, begin(300));
    expect(() => feed(frameKinds.snapshotChunk, chunk(0, 1))).toThrow(/while a snapshot is begun/);
  });
});

describe('a snapshot whose link breaks', () => {
  it('is sent from the last good byte on, as often as it takes', async () => {
    const { clock, network, first, second, close } = await twoMembers();
    const image = new Uint8Array(12_000_000).map((_, at) => at % 251);
    const kept: Uint8Array[] = [];
    const have = (): number => kept.reduce((sum, { length }) => sum + length, 0);
    second.acceptSnapshot = async (_from, _begin, chunksFrom) => {
      for await (const bytes of chunksFrom(have())) {
        kept.push(bytes.slice());
        // The first two tries break in the middle.
        if (starts.length < 3 && have() > starts.length * 5_000_000) network.reset('h1', 'h2');
      }
    };
    const starts: number[] = [];
    async function* chunksFrom(offset: number): AsyncGenerator<Uint8Array> {
      starts.push(offset);
      for (let at = offset; at < image.length; at += 100_000) {
        yield image.subarray(at, at + 100_000);
      }
    }
    const never = new AbortController().signal;
    const target = { peer: idOf(2), begin: beginOf(image.length) };
    for (let tries = 1; tries <= 3; tries += 1) {
      const outcome = first.mesh.sendSnapshot(target, chunksFrom, never).catch(() => 'broken');
      await clock.advanceAsync(3000);
      expect(await outcome).toBe(tries < 3 ? 'broken' : undefined);
    }
    expect(starts[0]).toBe(0);
    expect(starts[1]).toBeGreaterThan(5_000_000);
    expect(starts[2]).toBeGreaterThan(10_000_000);
    expect(Buffer.compare(Buffer.concat(kept), image)).toBe(0);
    await close();
  });
});

describe('a snapshot for a member that does not know its kind', () => {
  it('is given up with a sentence, though the member lives', async () => {
    const { clock, first, second, close } = await twoMembers();
    const accepting = new AbortController();
    second.acceptSnapshot = () =>
      new Promise((_resolve, reject) => {
        accepting.signal.addEventListener('abort', () => reject(accepting.signal.reason));
      });
    const target = { peer: idOf(2), begin: beginOf(100) };
    const none = async function* (): AsyncGenerator<Uint8Array> {};
    const sending = first.mesh.sendSnapshot(target, none, new AbortController().signal);
    const outcome = sending.catch((error: unknown) => error);
    await clock.advanceAsync(70_000);
    expect(await outcome).toMatchObject({
      code: 'version-mismatch',
      message: expect.stringMatching(/start it with this version/),
    });
    accepting.abort(new HoldfastError('cancelled', 'the test is over'));
    await close();
    expect(clock.pendingCount).toBe(0);
  });
});

/** Two members that have found each other. */
async function twoMembers() {
  const clock = new ManualClock();
  const network = new MemoryNetwork(clock, { latencyMs: () => 1, pieceBytesMax: 50_000 });
  const peers = [1, 2].map((id) => ({ memberId: idOf(id), address: `h${id}:4654` }));
  const [first, second] = [1, 2].map(
    (id) => new TestMember(id, { network: network.host(`h${id}`), clock }, { peers }),
  ) as [TestMember, TestMember];
  await Promise.all([first.start(), second.start()]);
  await clock.advanceAsync(600);
  const close = async (): Promise<void> => {
    const closing = Promise.all([first.mesh.close(), second.mesh.close()]);
    await clock.advanceAsync(1000);
    await closing;
  };
  return { clock, network, first, second, close };
}
