// Goal: the gateway is the same under TLS: a certificate names who asks, and streams stay open for
// as long as they like. Method: the door with certificates that are made here, Node's own client.
import { once } from 'node:events';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { get, request } from 'node:https';
import { SystemClock } from '@holdfast/base/system-clock';
import {
  type CertificateWithKey,
  issueClient,
  issueMember,
  makeAuthority,
} from '@holdfast/transport/certificate-maker';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { eventually, listen } from '../http/test-door.fixture.ts';
import { type FakeDoor, fakeDoor } from './gateway-door.fixture.ts';

const dayMs = 24 * 3_600_000;
const validity = {
  notBefore: new Date(Date.now() - dayMs),
  notAfter: new Date(Date.now() + dayMs),
};

let door: FakeDoor;
let port: number;
let authority: CertificateWithKey;
let client: CertificateWithKey;

beforeAll(async () => {
  authority = await makeAuthority({ name: 'Test CA', ...validity });
  const member = await issueMember(authority, { name: 'n1', hosts: ['127.0.0.1'], ...validity });
  client = await issueClient(authority, { name: 'ann', ...validity });
  const material = { ...member, ca: authority.cert };
  door = fakeDoor({
    clock: new SystemClock(),
    limits: { requestTimeoutMs: 800, headersTimeoutMs: 700, stalledMs: 1000 },
    tls: { material: () => material, onChange: () => undefined, asks: true },
  });
  port = await listen(door.app);
});

afterAll(() => door.app.close());

const post = (path: string, certificate: Partial<CertificateWithKey> = client): ClientRequest =>
  request({ host: '127.0.0.1', port, path, method: 'POST', ca: authority.cert, ...certificate });

async function answerTo(asked: ClientRequest): Promise<IncomingMessage> {
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  return answer.setEncoding('utf8');
}

/** Refused or broken off, whichever comes first. */
const closed = (asked: ClientRequest): Promise<void> =>
  new Promise((resolve) => {
    asked.on('error', () => undefined).once('close', resolve);
  });

it('knows who asks by the certificate, and answers nobody without one', async () => {
  let actor = '';
  door.onRange = async (call) => {
    actor = call.actor;
    return new Uint8Array(0);
  };
  const answer = await answerTo(post('/fake/kv/range').end('{}'));
  expect(answer.statusCode).toBe(200);
  expect(actor).toBe('certificate:ann');
  const refused = await answerTo(post('/fake/kv/range', {}).end('{}'));
  expect(refused.statusCode).toBe(401);
});

it('keeps a stream open that is silent, and whose body never ends', async () => {
  door.onMessage = (stream, id) => void stream.answer(BigInt(id));
  const talking = post('/fake/lease/keepalive');
  talking.write('{"ID":1}');
  const answer = await answerTo(talking);
  let text = '';
  answer.on('data', (more: string) => {
    text += more;
  });
  const unfinished = post('/v3/kv/range');
  unfinished.write('{');
  await closed(unfinished);
  const silent = get({
    host: '127.0.0.1',
    port,
    path: '/v1/kv-watch?key=a',
    ca: authority.cert,
    ...client,
  });
  await closed(silent);
  talking.write('{"ID":2}');
  await eventually(() => expect(text.match(/"ID":"[12]"/g)?.length).toBe(2));
  talking.destroy();
  await eventually(() => expect(door.streams[0]?.isGone).toBe(true));
});
