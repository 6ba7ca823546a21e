// Puts the HTTP door on an address, and says in one sentence why that did not work.
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';

import { HoldfastError, messageOf } from '@holdfast/base/errors';
import { formatAddress, parseAddress } from '@holdfast/transport/address';
import type { FastifyInstance } from 'fastify';

/** Answers HOST:PORT as bound. Rejects with `failed-precondition`. */
export async function listenHttp(app: FastifyInstance, address: string): Promise<string> {
  const { host, port } = parseAddress(address);
  try {
    await app.listen({ host, port });
  } catch (error) {
    throw listenError(address, '--listen-client', error);
  }
  return formatAddress({ host, port: (app.server.address() as AddressInfo).port });
}

/** Listens and leaves again: whether the address can be had. Rejects with `failed-precondition`. */
export async function probeAddress(address: string, flag: string): Promise<void> {
  const server = createServer();
  try {
    server.listen(parseAddress(address));
    await once(server, 'listening');
    server.close();
    await once(server, 'close');
  } catch (error) {
    throw listenError(address, flag, error);
  }
}

function listenError(address: string, flag: string, error: unknown): HoldfastError {
  const code = (error as { readonly code?: unknown }).code;
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: `another process listens at ${address}: stop it, or choose another ${flag}`,
    EADDRNOTAVAIL: `${address} is no address of this machine: choose another ${flag}`,
    EACCES: `this user may not listen at ${address}: choose a port above 1023`,
  };
  const reason = reasons[String(code)] ?? `can not listen at ${address}: ${messageOf(error)}`;
  return new HoldfastError('failed-precondition', reason, { cause: error, details: { address } });
}
