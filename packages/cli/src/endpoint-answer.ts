// What one endpoint answers, alone: a member that does not answer is a line of the picture, not the
// end of it.
import { messageOf } from '@holdfast/base/errors';
import type { ClusterApi } from '@holdfast/client/cluster-api';

import type { CliContext, GlobalOptions } from './context.ts';

export type EndpointAnswer<View> = {
  readonly endpoint: string;
  readonly view?: View;
  readonly error?: string;
};

export type Question<View> = {
  readonly globals: GlobalOptions;
  readonly context: CliContext;
  /** One that is dark must not hold up the picture for the whole of a call's deadline. */
  readonly answerMs: number;
  readonly ask: (cluster: ClusterApi, signal: AbortSignal) => Promise<View>;
};

export async function askEndpoint<View>(
  endpoint: string,
  { globals, context, answerMs, ask }: Question<View>,
): Promise<EndpointAnswer<View>> {
  const timeoutMs = Math.min(globals.timeoutMs, answerMs);
  const client = context.openClient({ ...globals, endpoints: [endpoint], timeoutMs });
  try {
    return { endpoint, view: await ask(client.cluster, context.signal) };
  } catch (error) {
    context.signal.throwIfAborted();
    return { endpoint, error: messageOf(error) };
  } finally {
    await client.close();
  }
}
