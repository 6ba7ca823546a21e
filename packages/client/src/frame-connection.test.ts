// Goal: each call is answered once or told why not, whatever the member says or leaves unsaid.
// Method: a connection on the memory network to a member that is a script.
import { HoldfastError } from '@holdfast/base/errors';
import { ManualClock } from '@holdfast/base/manual-clock';
import { HelloResponse, Requests, type Response, Responses } from '@holdfast/proto/client';
import { clientDialect, frameKinds } from '@holdfast/transport/frame';
import { FrameLink } from '@holdfast/transport/frame-link';
import { MemoryNetwork } from '@holdfast/transport/memory-link';
import { expect, it } from 'vitest';

import { FrameConnection, noOptions } from './frame-connection.ts';

type Request = Requests['requests'][number];
type Refusal = HelloResponse['refusal'];

/** A member that keeps what it is asked; what it answers, the test says. */
class ScriptedMember {
  readonly asked: Request[] = [];
  frames = 0;
  link: FrameLink | undefined;
  readonly #refusal: Refusal;

  constructor(refusal?: Refusal) {
    this.#refusal = refusal;
  }

  accept(link: FrameLink): void {
    this.link = link;
    link.open({
      onEnd: () => undefined,
      onFrame: ({ kind, payload }) => {
        if (kind === frameKinds.clientHello) return this.#welcome(link);
        this.frames += 1;
        this.asked.push(...Requests.decode(payload).requests);
      },
    });
  }

  answer(...responses: readonly Pick<Response, 'id' | 'response'>[]): void {
    const all = responses.map((one) => ({ revision: 7, term: 1, ageMsPlusOne: 0, ...one }));
    this.link?.send(frameKinds.clientResponses, Responses.encode({ responses: all }).finish());
  }

  #welcome(link: FrameLink): void {
    const hello = { protocolVersion: 1, clusterId: 5n, memberId: 9n, memberName: 'n1' };
    const more = { features: 0, inFlightMax: 4, refusal: this.#refusal };
    link.send(frameKinds.clientHelloResponse, HelloResponse.encode({ ...hello, ...more }).finish());
  }
}

async function connected(member = new ScriptedMember()) {
  const clock = new ManualClock();
  const network = new MemoryNetwork(clock);
  const host = network.host('member');
  const { dialect, sizes } = { dialect: clientDialect, sizes: { queueBytesMax: 1e6 } };
  await host.listen('member:1', (link) =>
    member.accept(
      new FrameLink({
        ...{ link, dialect, ...sizes, strangerBytesMax: 1e6 },
        afterEvent: (action) => host.afterEvent(action),
      }),
    ),
  );
  const opening = FrameConnection.open({
    ...{ network: network.host('client'), clock, address: 'member:1' },
    ...{ actor: 'ann', timeoutMs: 1000 },
  });
  opening.catch(() => undefined);
  await clock.advanceAsync(10);
  return { clock, member, opening };
}

const get = {
  ...noOptions,
  request: {
    $case: 'range',
    value: {
      ...{ keyspace: 0, key: new Uint8Array([97]), rangeEnd: new Uint8Array(0) },
      ...{ limit: 0, revision: 0, keysOnly: false, countOnly: false },
    },
  },
} as const;
const nothing: Response['response'] = {
  $case: 'range',
  value: { kvs: [], more: false, count: 0 },
};

it('knows its member, and sends the calls of a turn in one frame', async () => {
  const { clock, member, opening } = await connected();
  const connection = await opening;
  expect([connection.clusterId, connection.memberId]).toEqual([5n, 9n]);
  const calls = [connection.call(get), connection.call(get), connection.call(get)];
  await clock.advanceAsync(10);
  expect([member.frames, member.asked.map(({ id }) => id)]).toEqual([1, [1, 2, 3]]);
  member.answer({ id: 3, response: nothing }, { id: 1, response: nothing });
  member.answer({ id: 77, response: nothing }, { id: 2, response: nothing });
  await clock.advanceAsync(10);
  expect((await Promise.all(calls)).map(({ id, revision }) => [id, revision])).toEqual([
    [1, 7],
    [2, 7],
    [3, 7],
  ]);
  expect(connection.underWay).toBe(0);
});

it('throws what the member says went wrong, as it went wrong there', async () => {
  const { clock, member, opening } = await connected();
  const call = (await opening).call(get);
  call.catch(() => undefined);
  await clock.advanceAsync(10);
  const details = JSON.stringify({ missingVoters: ['n2'] });
  const value = { code: 'no-quorum', message: 'two are gone', outcome: 'unknown', details };
  member.answer({ id: 1, response: { $case: 'failure', value } });
  await clock.advanceAsync(10);
  await expect(call).rejects.toMatchObject({
    ...{ code: 'no-quorum', message: 'two are gone', outcome: 'unknown' },
    details: { missingVoters: ['n2'] },
  });
});

it('refuses what is one too many, and tells all of the end of the connection', async () => {
  const { clock, member, opening } = await connected();
  const connection = await opening;
  const calls = [1, 2, 3, 4].map(() => connection.call(get));
  for (const call of calls) call.catch(() => undefined);
  await expect(connection.call(get)).rejects.toMatchObject({ code: 'resource-exhausted' });
  await clock.advanceAsync(10);
  member.link?.close();
  await clock.advanceAsync(10);
  for (const call of [...calls, connection.call(get)]) {
    await expect(call).rejects.toMatchObject({ code: 'unavailable', outcome: 'unknown' });
  }
});

it('is not opened where it is refused, where nobody answers, or where it is closed', async () => {
  const refusal = { code: 'unauthenticated', message: 'no certificate', outcome: '', details: '' };
  const { opening } = await connected(new ScriptedMember(refusal));
  await expect(opening).rejects.toMatchObject({ code: 'unauthenticated' });
  const silent = await connected(
    Object.assign(new ScriptedMember(), { accept: (link: FrameLink) => void link }),
  );
  await silent.clock.advanceAsync(2000);
  await expect(silent.opening).rejects.toMatchObject({ code: 'deadline-exceeded' });
  const { clock, opening: good } = await connected();
  const connection = await good;
  const call = connection.call(get);
  call.catch(() => undefined);
  connection.close();
  await clock.advanceAsync(10);
  await expect(call).rejects.toBeInstanceOf(HoldfastError);
});
