// One question over HTTP to another member's door, with JSON both ways: in clear text, or under TLS
// with this machine's own certificate.
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';

import { type TlsMaterial, tlsVersionMin } from '@holdfast/transport/tls-link';

import { authorizationOf, type Credentials } from './access/credentials.ts';

export type Question = {
  /** Undefined: a GET. */
  readonly body?: object | undefined;
  readonly tls?: TlsMaterial | undefined;
  readonly user?: Credentials | undefined;
  readonly signal: AbortSignal;
};

export type JsonAnswer = { readonly isGood: boolean; readonly text: string };

/** Rejects with what the network threw, or with an AbortError. */
export async function askJson(
  url: string,
  { body, tls, user, signal }: Question,
): Promise<JsonAnswer> {
  const options = {
    method: body ? 'POST' : 'GET',
    headers: {
      'content-type': 'application/json',
      ...(user && { authorization: authorizationOf(user) }),
    },
    agent: false,
    signal,
  } as const;
  const request = tls
    ? httpsRequest(url, { ...options, ...trusting(tls), minVersion: tlsVersionMin })
    : httpRequest(url, options);
  request.end(body && JSON.stringify(body));
  const [answer] = (await once(request, 'response')) as [IncomingMessage];
  const parts: Buffer[] = [];
  for await (const part of answer) parts.push(part as Buffer);
  const { statusCode = 500 } = answer;
  return { isGood: statusCode < 300, text: Buffer.concat(parts).toString() };
}

/** Where clients show no certificates, no authority is named; the system's are taken. */
const trusting = ({ ca, ...own }: TlsMaterial) => (ca === '' ? own : { ...own, ca });
