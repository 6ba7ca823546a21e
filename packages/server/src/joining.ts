// How a machine becomes a member of a running cluster (`--join`): it asks one member, over HTTP,
// which cluster that is, looks whether the members would speak with it, and then asks to be taken
// in under the id that it has chosen. Asked again, the cluster says the same, so a lost answer or a
// crash in between costs nothing.
import { type Clock, sleep } from '@holdfast/base/clock';
import { type ErrorCode, HoldfastError, isHoldfastError, messageOf } from '@holdfast/base/errors';
import { type ClusterId, clusterId, formatId, memberId } from '@holdfast/base/ids';
import type { Newcomer } from '@holdfast/engine/member-plan';
import type { KnownMember } from '@holdfast/engine/membership';
import type { LinkNetwork } from '@holdfast/transport/link';
import { lookAtPeer } from '@holdfast/transport/peer-look';
import type { TlsMaterial } from '@holdfast/transport/tls-link';
import { tlsFailureOf } from '@holdfast/transport/tls-words';

import type { Credentials } from './access/credentials.ts';
import { askJson } from './ask-json.ts';
import { errorTable } from './errors.ts';
import type { Log } from './log.ts';

export type JoiningOptions = {
  /** HOST:PORT of any member, as clients reach it. */
  readonly address: string;
  /** Who asks, where access control is on. */
  readonly user: Credentials | undefined;
  /** Where clients are served under TLS: what this machine shows, as all members have the like. */
  readonly tls: (() => TlsMaterial) | undefined;
  /** As members speak with each other. */
  readonly peers: LinkNetwork;
  readonly clock: Clock;
  readonly log: Pick<Log, 'info' | 'warn'>;
};

/** As `/v1/cluster` and `/v1/members` answer, as far as it matters here. */
type ClusterAnswer = {
  readonly clusterId: string;
  readonly members: readonly {
    readonly id: string;
    readonly name: string;
    readonly peerAddresses: readonly string[];
  }[];
  /** Of one that was taken in. */
  readonly isLearner?: boolean;
};

export type Admission = {
  /** All of them as they are then. */
  readonly members: readonly KnownMember[];
  /** It is not to ask for its vote: whoever has announced it gives it one. */
  readonly isLearner: boolean;
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
    const view = await this.#patiently(() => this.#view(signal), signal);
    return clusterOf(view);
  }

  /**
   * Throws what the cluster refuses it with, and `unauthenticated` or `unavailable` where no member
   * would speak with it.
   */
  async admit(newcomer: Newcomer, signal: AbortSignal): Promise<Admission> {
    await this.#patiently(() => this.#look(newcomer, signal), signal);
    const body = {
      id: formatId(newcomer.memberId),
      storeId: formatId(newcomer.storeId),
      name: newcomer.name,
      peerAddress: newcomer.peerAddress,
      version: newcomer.version,
    };
    const call = (): Promise<unknown> => this.#call('/v1/members', signal, body);
    const answer = (await this.#patiently(call, signal)) as ClusterAnswer;
    return { members: membersOf(answer), isLearner: answer.isLearner ?? false };
  }

  async #view(signal: AbortSignal): Promise<ClusterAnswer> {
    return (await this.#call('/v1/cluster', signal)) as ClusterAnswer;
  }

  /** One that speaks with it is enough: the others may be down. */
  async #look({ memberId: id, storeId, name }: Newcomer, signal: AbortSignal): Promise<void> {
    const { address, peers: network, clock } = this.#options;
    const view = await this.#view(signal);
    const others = membersOf(view).filter((one) => one.memberId !== id && one.peerAddress !== '');
    if (others.length === 0) return;
    const identity = { clusterId: clusterOf(view), memberId: id, storeId, name };
    const failures: { readonly peer: string; readonly error: HoldfastError }[] = [];
    const looks = others.map(async ({ name: peer, peerAddress }) => {
      try {
        await lookAtPeer({ network, clock, identity, address: peerAddress, signal });
      } catch (error) {
        if (isHoldfastError(error)) failures.push({ peer: `${peer} (${peerAddress})`, error });
        throw error;
      }
    });
    await Promise.any(looks).catch((error: unknown) => {
      signal.throwIfAborted();
      // Who says no knows more than who says nothing.
      const first = failures.find((one) => !one.error.retryable) ?? failures[0];
      throw first ? noPeer(first.peer, address, first.error) : error;
    });
  }

  async #patiently<T>(call: () => Promise<T>, signal: AbortSignal): Promise<T> {
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
    const { address, tls, user } = this.#options;
    try {
      const url = `${tls ? 'https' : 'http'}://${address}${path}`;
      const ending = AbortSignal.any([signal, AbortSignal.timeout(callMs)]);
      const question = { body, user, tls: tls?.(), signal: ending };
      const answer = await askJson(url, question);
      const read = parsed(answer.text, address);
      if (answer.isGood) return read;
      throw tls ? refusal(read, address) : refusalInClear(read, address);
    } catch (error) {
      if (isHoldfastError(error)) throw error;
      throw isNoHttp(error) ? noDoor(address, error) : unreachable(address, error);
    }
  }
}

const clusterOf = ({ clusterId: id }: ClusterAnswer): ClusterId => clusterId(BigInt(`0x${id}`));

const membersOf = ({ members }: ClusterAnswer): readonly KnownMember[] =>
  members.map(({ id, name, peerAddresses }) => ({
    memberId: memberId(BigInt(`0x${id}`)),
    name,
    peerAddress: peerAddresses[0] ?? '',
  }));

/** Taken in all the same, it would be a member that nobody can reach. */
const noPeer = (peer: string, address: string, error: HoldfastError): HoldfastError =>
  new HoldfastError(
    error.code,
    `this machine was not taken in by the cluster of ${address} (--join), as it can not speak ` +
      `with its members: ${peer}: ${error.message}`,
    { cause: error },
  );

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
  const advice = isOfAccess(problem) ? ': name a user root (--join-user NAME:PASSWORD)' : '';
  return new HoldfastError(known, `${address} (--join) says: ${detail ?? 'no'}${advice}`);
}

/** Refused by users and permissions, which give a reason (access-error.ts). */
const isOfAccess = (problem: unknown): boolean =>
  typeof (problem as { readonly reason?: unknown }).reason === 'string';

/** Its advice is for clients; a machine that joins speaks TLS when it has a certificate itself. */
function refusalInClear(problem: unknown, address: string): HoldfastError {
  const refused = refusal(problem, address);
  if (refused.code !== 'unauthenticated' || isOfAccess(problem)) return refused;
  return new HoldfastError(
    refused.code,
    `the members of this cluster speak TLS with clients, and ${address} (--join) is asked in ` +
      'clear text: start this machine with its own --tls-client-cert, --tls-client-key and ' +
      '--tls-client-ca, too',
  );
}

function unreachable(address: string, cause: unknown): HoldfastError {
  const reason = cause instanceof Error ? tlsFailureOf(cause) : messageOf(cause);
  return new HoldfastError(
    'unavailable',
    `no member answers on ${address} (--join): ${reason}; give the client address of one that runs`,
    { cause },
  );
}
