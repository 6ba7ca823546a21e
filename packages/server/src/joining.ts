// How a machine becomes a member of a running cluster (`--join`): it asks one member, over HTTP,
// which cluster that is, and then to be taken in under the id that it has chosen. Asked again, the
// cluster says the same, so a lost answer or a crash in between costs nothing.
import { type Clock, sleep } from '@holdfast/base/clock';
import { type ErrorCode, HoldfastError, isHoldfastError, messageOf } from '@holdfast/base/errors';
import { type ClusterId, clusterId, formatId, memberId } from '@holdfast/base/ids';
import type { Newcomer } from '@holdfast/engine/member-plan';
import type { KnownMember } from '@holdfast/engine/membership';
import type { TlsMaterial } from '@holdfast/transport/tls-link';
import { tlsFailureOf } from '@holdfast/transport/tls-words';

import { askJson } from './ask-json.ts';
import { errorTable } from './errors.ts';
import type { Log } from './log.ts';

export type JoiningOptions = {
  /** HOST:PORT of any member, as clients reach it. */
  readonly address: string;
  /** Where clients are served under TLS: what this machine shows, as all members have the like. */
  readonly tls: (() => TlsMaterial) | undefined;
  readonly clock: Clock;
  readonly log: Pick<Log, 'info' | 'warn'>;
};

/** As `/v1/members` answers, as far as it matters here. */
type Admission = {
  readonly members: readonly {
    readonly id: string;
    readonly name: string;
    readonly peerAddresses: readonly string[];
  }[];
};

const againMs = 500;
/** An election, a machine that is being started: but an address that is wrong shall be told. */
const patienceMs = 30_000;
const callMs = 10_000;

export class Joining {
  readonly #options: JoiningOptions;

  constructor(options: JoiningOptions) {
    this.#options = options;
  }

  /** Throws `unavailable` where nobody answers there for half a minute. */
  async cluster(signal: AbortSignal): Promise<ClusterId> {
    const view = (await this.#patiently(() => this.#call('/v1/cluster', signal), signal)) as {
      readonly clusterId: string;
    };
    return clusterId(BigInt(`0x${view.clusterId}`));
  }

  /** All members as they are then. Throws what the cluster refuses it with. */
  async admit(newcomer: Newcomer, signal: AbortSignal): Promise<readonly KnownMember[]> {
    const body = {
      id: formatId(newcomer.memberId),
      storeId: formatId(newcomer.storeId),
      name: newcomer.name,
      peerAddress: newcomer.peerAddress,
      version: newcomer.version,
    };
    const call = (): Promise<unknown> => this.#call('/v1/members', signal, body);
    const { members } = (await this.#patiently(call, signal)) as Admission;
    return members.map(({ id, name, peerAddresses }) => ({
      memberId: memberId(BigInt(`0x${id}`)),
      name,
      peerAddress: peerAddresses[0] ?? '',
    }));
  }

  async #patiently(call: () => Promise<unknown>, signal: AbortSignal): Promise<unknown> {
    const { clock, log, address } = this.#options;
    const untilMs = clock.monotonicMs() + patienceMs;
    for (let tries = 1; ; tries += 1) {
      try {
        return await call();
      } catch (error) {
        signal.throwIfAborted();
        const isOver = clock.monotonicMs() >= untilMs;
        if (isOver || !isHoldfastError(error) || !error.retryable) throw error;
        if (tries === 1) log.warn({ join: address, reason: messageOf(error) }, 'not joined yet');
        await sleep(clock, againMs, signal);
      }
    }
  }

  async #call(path: string, signal: AbortSignal, body?: object): Promise<unknown> {
    const { address, tls } = this.#options;
    try {
      const url = `${tls ? 'https' : 'http'}://${address}${path}`;
      const ending = AbortSignal.any([signal, AbortSignal.timeout(callMs)]);
      const answer = await askJson(url, { body, tls: tls?.(), signal: ending });
      const read = parsed(answer.text, address);
      if (answer.isGood) return read;
      throw refusal(read, address);
    } catch (error) {
      if (isHoldfastError(error)) throw error;
      throw isNoHttp(error) ? noDoor(address, error) : unreachable(address, error);
    }
  }
}

function parsed(text: string, address: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw noDoor(address, cause);
  }
}

/** It is not asked again: it will not become one. */
const noDoor = (address: string, cause: unknown): HoldfastError =>
  new HoldfastError(
    'failed-precondition',
    `what listens on ${address} (--join) does not speak as a member does with clients: give the ` +
      'address that a member listens on for clients (--listen-client), not the one for peers',
    { cause },
  );

/** The parser of HTTP did not find any. */
const isNoHttp = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && String(error.code).startsWith('HPE_');

/** As the cluster said it, with its code where it is one that this version knows. */
function refusal(problem: unknown, address: string): HoldfastError {
  const { code, detail } = problem as { readonly code?: string; readonly detail?: string };
  const known = code !== undefined && code in errorTable ? (code as ErrorCode) : 'internal';
  return new HoldfastError(known, `${address} (--join) says: ${detail ?? 'no'}`);
}

function unreachable(address: string, cause: unknown): HoldfastError {
  const reason = cause instanceof Error ? tlsFailureOf(cause) : messageOf(cause);
  return new HoldfastError(
    'unavailable',
    `no member answers on ${address} (--join): ${reason}; give the client address of one that runs`,
    { cause },
  );
}
