// One dial with its handshake: a promise of a link to exactly the member that was wanted. It owns
// the link until both sides have shown who they are; then it hands it over, or ends it.
import type { Clock } from '@holdfast/base/clock';
import { startDeadline } from '@holdfast/base/deadline';
import { HoldfastError } from '@holdfast/base/errors';
import type { MemberId } from '@holdfast/base/ids';
import type { CertificateVerdict } from './certificate-verdict.ts';
import type { BreakerSettings } from './circuit-breaker.ts';
import { dialledPeerDialect, type Frame, type FrameDialect, frameKinds } from './frame.ts';
import { FrameLink } from './frame-link.ts';
import {
  checkAnswer,
  encodeHandshake,
  type Hello,
  handshakeBytesMax,
  type PeerIdentity,
  type Purpose,
  type VerifyPeer,
} from './handshake.ts';
import { introduce } from './introduction.ts';
import type { Link, LinkEnd, LinkNetwork } from './link.ts';
import type { CallSettings } from './peer-calls.ts';
import type { PeerEpochs } from './peer-epochs.ts';
import { dialSteadily } from './steady-dial.ts';
import { transportFailure } from './transport-failure.ts';
import type { TransportSettings } from './transport-settings.ts';

/** What all connections of one member share. */
export type MemberContext = {
  readonly network: LinkNetwork;
  readonly clock: Clock;
  readonly identity: PeerIdentity;
  readonly verifyPeer: VerifyPeer;
  readonly epochs: PeerEpochs;
  readonly settings: TransportSettings;
  /** Parts of the settings, asked for each time; one function for all links. */
  readonly partsNow: {
    readonly breaker: () => BreakerSettings;
    readonly slowBreaker: () => BreakerSettings;
    readonly calls: () => CallSettings;
  };
};

/** What a dial takes of it. */
export type DialContext = Omit<MemberContext, 'partsNow'>;

export type DialRequest = {
  readonly peer: MemberId;
  readonly address: string;
  readonly purpose: Purpose;
  /** Default: the settings' connect timeout. */
  readonly timeoutMs?: number;
  readonly signal: AbortSignal;
};

export type DialledPeer = { readonly link: FrameLink; readonly hello: Hello };

/**
 * Rejects with `unavailable` (see isRefused), `deadline-exceeded`, the refusal of either side, or
 * the signal's reason. Until the caller trusts the link with a handler, its end is only remembered.
 */
export async function dialPeer(context: DialContext, request: DialRequest): Promise<DialledPeer> {
  const { clock, settings } = context;
  const timeoutMs = request.timeoutMs ?? settings.connectTimeoutMs;
  const deadline = startDeadline(clock, timeoutMs, request.signal);
  try {
    const { network } = context;
    const { address } = request;
    const { signal } = deadline;
    const againMs = settings.dialAgainMs;
    const dialled = await dialSteadily({ network, clock, address, againMs, signal });
    // The deadline counts for it, too, and the steady requests do not: they look for a way.
    const link = network.secure ? await network.secure(dialled.link, signal) : dialled.link;
    const { purpose } = request;
    const frames = newFrameLink(context, link, { purpose, dialect: dialledPeerDialect });
    const hello = await introduce(frames, {
      kind: frameKinds.handshake,
      payload: encodeHandshake(context.identity, request.peer, request.purpose),
      heed: (frame) => heed(context, request, { frame, verdict: frames.verdict }),
      brokenOff: (end) => brokenOff(address, end),
      signal,
    });
    return { link: frames, hello };
  } finally {
    deadline.dispose();
  }
}

/** Both ends of a connection are made alike. */
export function newFrameLink(
  { network, settings }: DialContext,
  link: Link,
  { purpose, dialect }: { readonly purpose: Purpose; readonly dialect: FrameDialect },
): FrameLink {
  const { controlQueueBytesMax, logQueueBytesMax } = settings;
  return new FrameLink({
    link,
    afterEvent: (action) => network.afterEvent(action),
    queueBytesMax: purpose === 'control' ? controlQueueBytesMax : logQueueBytesMax,
    strangerBytesMax: handshakeBytesMax,
    dialect,
  });
}

/** The peer's answer, judged by this side too; throws why it will not do. */
function heed(
  context: DialContext,
  request: DialRequest,
  { frame, verdict }: { readonly frame: Frame; readonly verdict: CertificateVerdict | undefined },
): Hello {
  if (frame.kind !== frameKinds.handshakeResponse) {
    throw new HoldfastError('corrupt', `the peer answered a handshake with kind ${frame.kind}`);
  }
  const hello = checkAnswer({ payload: frame.payload, verdict }, request.peer, context.verifyPeer);
  const stale = context.epochs.observe(hello);
  if (stale) throw stale;
  return hello;
}

function brokenOff(address: string, end: LinkEnd): HoldfastError {
  const why = end.type === 'failed' ? end.reason : 'the other side hung up';
  return transportFailure(`no handshake with ${address}: ${why}`);
}
