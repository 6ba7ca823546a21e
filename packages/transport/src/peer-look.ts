// Whether a member at an address would speak with this machine, asked before it joins: whoever is
// taken in and cannot be spoken with stands in the way of its own name. A whole handshake that
// calls nobody: the other side judges TLS, certificate, version and cluster, and takes no note.
import type { Clock } from '@holdfast/base/clock';
import { isHoldfastError } from '@holdfast/base/errors';
import type { PeerIdentity } from './handshake.ts';
import { nobodysId } from './handshake.ts';
import type { LinkNetwork } from './link.ts';
import { dialPeer } from './peer-dialer.ts';
import { PeerEpochs } from './peer-epochs.ts';
import { defaultTransportSettings } from './transport-settings.ts';

export type PeerLook = {
  readonly network: LinkNetwork;
  readonly clock: Clock;
  readonly identity: Omit<PeerIdentity, 'bootEpoch' | 'bootId'>;
  /** HOST:PORT of its peer port. */
  readonly address: string;
  readonly signal: AbortSignal;
};

/** Rejects with why it would not: as dialPeer does. */
export async function lookAtPeer({ address, signal, ...look }: PeerLook): Promise<void> {
  const context = {
    ...{ network: look.network, clock: look.clock },
    identity: { ...look.identity, bootEpoch: 0, bootId: 0n },
    verifyPeer: () => undefined,
    epochs: new PeerEpochs(),
    settings: defaultTransportSettings,
  };
  try {
    const called = { peer: nobodysId, address, purpose: 'control', signal } as const;
    const { link } = await dialPeer(context, called);
    link.destroy();
  } catch (error) {
    // What is left when all else was found good: nobody has the id that was called.
    if (!isHoldfastError(error, 'failed-precondition')) throw error;
  }
}
