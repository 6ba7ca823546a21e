// A question or a deed that is about one member: the first of the endpoints, in the order in which
// they were named, that answers. A client of several would begin with any of them.
import { HoldfastError } from '@holdfast/base/errors';
import type { ClientApi } from '@holdfast/client/client-api';

import type { CliContext, GlobalOptions } from './context.ts';

/** Longer than a dial may take: the next one is asked where a machine is dark. */
const eachMs = 4_000;

export async function firstAnswer<T>(
  context: CliContext,
  globals: GlobalOptions,
  ask: (client: ClientApi) => Promise<T>,
): Promise<T> {
  const { endpoints } = globals;
  for (const [at, endpoint] of endpoints.entries()) {
    const isLast = at === endpoints.length - 1;
    const timeoutMs = isLast ? globals.timeoutMs : Math.min(globals.timeoutMs, eachMs);
    const client = context.openClient({ ...globals, endpoints: [endpoint], timeoutMs });
    try {
      return await ask(client);
    } catch (error) {
      context.signal.throwIfAborted();
      if (isLast || !isNoAnswer(error)) throw error;
    } finally {
      await client.close();
    }
  }
  throw new HoldfastError('unavailable', 'no endpoint answers');
}

/** Nothing can have been done there; it may be that nobody is, or that somebody starts. */
const isNoAnswer = (error: unknown): boolean =>
  error instanceof HoldfastError && error.retryable && error.outcome === 'not-applied';
