// Whether a loopback port can be listened on, and who may be on it: asked before any member starts,
// so that a taken port is one clear sentence and not three members' logs.
import { once } from 'node:events';
import { createServer } from 'node:net';

import { HoldfastError } from '@holdfast/base/errors';

/** Rejects with `unavailable` that names the first port that is taken. */
export async function assertPortsFree(addresses: readonly string[]): Promise<void> {
  for (const address of addresses) {
    const problem = await tryListen(address);
    if (problem === undefined) continue;
    throw new HoldfastError(
      'unavailable',
      `${address} cannot be listened on (${problem}): another program uses the port`,
      { details: { address, reason: problem, hint: 'choose other ports with --base-port' } },
    );
  }
}

async function tryListen(address: string): Promise<string | undefined> {
  const colon = address.lastIndexOf(':');
  const server = createServer();
  try {
    server.listen({ host: address.slice(0, colon), port: Number(address.slice(colon + 1)) });
    await once(server, 'listening');
    server.close();
    await once(server, 'close');
    return undefined;
  } catch (error) {
    return (error as { code?: string }).code ?? 'unknown';
  }
}
