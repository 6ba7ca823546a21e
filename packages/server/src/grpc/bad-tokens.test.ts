// Goal: calls of whom it is not known yet who they are do not stand in the way of those who are
// known, however many there are. Method: the door on loopback over an engine in memory that does
// not answer what a token needs that nobody knows.
import { AuthenticateRequest, AuthenticateResponse } from '@holdfast/proto/etcd';
import { expect, it } from 'vitest';

import { enableAccess } from '../access/access.fixture.ts';
import { answerOf, type GrpcAnswer, type GrpcClient } from './grpc-client.fixture.ts';
import { HostileDoor, mebibyte, putMessage, putPath } from './hostile-door.fixture.ts';

const root = { name: 'root', password: 'root' };

async function tokenOf(client: GrpcClient): Promise<string> {
  const codecs = [AuthenticateRequest, AuthenticateResponse] as const;
  return (await client.unary('/etcdserverpb.Auth/Authenticate', codecs, root)).token;
}

/** What a member has to ask others about is not answered before `open`. */
function closeGate({ door: { engine } }: HostileDoor) {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const range = engine.range.bind(engine);
  engine.range = async (request, options) => {
    if (options.actor === 'access') await opened;
    return await range(request, options);
  };
  return open;
}

/** Calls that are begun, of which the member has heard. */
async function flood(client: GrpcClient, calls: number): Promise<readonly Promise<GrpcAnswer>[]> {
  const answers = Array.from({ length: calls }, () => {
    const stream = client.begin(putPath, { token: 'nobody.knows' });
    stream.write(putMessage('a'));
    return answerOf(stream);
  });
  await new Promise((resolve) => client.session.ping(resolve));
  return answers;
}

const counted = (answers: readonly GrpcAnswer[]) =>
  [16, 8].map((code) => answers.filter(({ status }) => status === code).length);

it('wait for what nobody knows, so many at a time, and leave room for others', async () => {
  await using hostile = await HostileDoor.open();
  await enableAccess(hostile.door.engine);
  const known = await hostile.stock();
  const token = await tokenOf(known);
  const open = closeGate(hostile);
  const waiting: (readonly Promise<GrpcAnswer>[])[] = [];
  for (let at = 0; at < 5; at += 1) waiting.push(await flood(await hostile.stock(), 500));
  const large = putMessage('a', Buffer.alloc(mebibyte));
  expect(await known.say(putPath, large, { token })).toMatchObject({ status: 0 });
  open();
  const answers = await Promise.all(waiting.map((of) => Promise.all(of)));
  expect(counted(answers[0] ?? [])).toEqual([128, 372]);
  expect(counted(answers.flat())).toEqual([512, 2500 - 512]);
  // Their room is free again.
  const again = await Promise.all(await flood(await hostile.stock(), 100));
  expect(counted(again)).toEqual([100, 0]);
});

it('are answered, and all that was said is heard, where they turn out to be known', async () => {
  await using hostile = await HostileDoor.open();
  await enableAccess(hostile.door.engine);
  const client = await hostile.stock();
  const authorization = `Basic ${Buffer.from('root:root').toString('base64')}`;
  const said = Array.from({ length: 100 }, (_, at) =>
    client.say(putPath, putMessage(`k${at}`), { authorization }),
  );
  expect((await Promise.all(said)).filter(({ status }) => status === 0)).toHaveLength(100);
});
