// Goal: who asks is said with every request that is somebody's. Method: a port that keeps what it
// is asked.
import { describe, expect, it } from 'vitest';

import { AuthorizedHttp, type ClientUser, clientUserOf } from './authorized-http.ts';
import type { HttpRequest } from './http-port.ts';

const request: HttpRequest = {
  ...{ endpoint: 'h:1', method: 'GET', path: '/', headers: { a: 'b' }, body: undefined },
  signal: new AbortController().signal,
};

async function asked(user: ClientUser, more: Partial<HttpRequest> = {}) {
  let seen: HttpRequest | undefined;
  const http = {
    request: async (one: HttpRequest) => {
      seen = one;
      return {
        status: 200,
        headers: {},
        body: (async function* () {})(),
        discard: () => undefined,
      };
    },
    close: async () => undefined,
  };
  await new AuthorizedHttp(http, user).request({ ...request, ...more });
  return seen?.headers;
}

describe('a request', () => {
  it('says who asks, beside what it says else', async () => {
    const basic = await asked(clientUserOf('älice:p:w'));
    const said = Buffer.from(basic?.['authorization']?.slice(6) ?? '', 'base64').toString();
    expect([basic?.['a'], said]).toEqual(['b', 'älice:p:w']);
    expect(await asked({ token: 't.u' })).toMatchObject({ authorization: 'Bearer t.u' });
    expect(await asked({ token: 't.u' }, { isPing: true })).toEqual({ a: 'b' });
  });

  it('of a user without a password is none', () => {
    expect(() => clientUserOf('alice')).toThrow('NAME:PASSWORD');
    expect(() => clientUserOf(':x')).toThrow('NAME:PASSWORD');
  });
});
