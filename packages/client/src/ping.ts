// One question that any living member answers at once. It never rejects: an answer of any status is
// life, nobody listening is death, and everything else is silence (safety.md 12, 17).
import { type HttpPort, type HttpRequest, readAll, TransportFailure } from './http-port.ts';

export const pingPath = '/ping';

export type PingEnd =
  | { readonly name: 'answered' }
  | { readonly name: 'refused'; readonly reason: string }
  | { readonly name: 'silent' };

export const pingRequest = (endpoint: string, signal: AbortSignal): HttpRequest => ({
  endpoint,
  method: 'GET',
  path: pingPath,
  headers: {},
  body: undefined,
  signal,
});

export async function ping(
  http: HttpPort,
  endpoint: string,
  signal: AbortSignal,
): Promise<PingEnd> {
  try {
    const answer = await http.request({ ...pingRequest(endpoint, signal), isPing: true });
    await readAll(answer);
    return { name: 'answered' };
  } catch (error) {
    const isRefused = error instanceof TransportFailure && error.isRefused;
    return isRefused ? { name: 'refused', reason: error.message } : { name: 'silent' };
  }
}
