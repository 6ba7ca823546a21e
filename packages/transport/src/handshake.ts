// Who is who. The dialler introduces itself and names whom it wants; the other side checks and
// answers with its own identity, which the dialler checks in turn. Pure functions over bytes:
// sockets and deadlines are their callers' (peer-dialer.ts, peer-listener.ts).
import { HoldfastError } from '@holdfast/base/errors';
import {
  type ClusterId,
  formatId,
  type MemberId,
  memberId,
  type StoreId,
  storeId,
} from '@holdfast/base/ids';
import { encode } from '@holdfast/proto/encode';
import { Handshake, HandshakeResponse } from '@holdfast/proto/peer';
import type { CertificateVerdict } from './certificate-verdict.ts';
import { decodePayload } from './decode-payload.ts';

/** Raised when members of two versions could no longer understand each other. */
export const protocolVersion = 1;
/** A handshake has names in it, and no data. */
export const handshakeBytesMax = 4096;

/** What this version understands beyond the first: bits, said in every handshake. */
export const features = { asks: 1 } as const;

/** Three connections a pair and direction (safety.md 16). */
export type Purpose = 'control' | 'log' | 'bulk';

const purposes: readonly (Purpose | undefined)[] = [undefined, 'control', 'log', 'bulk'];

/** Called by whoever only wants to know whether the two understand each other (peer-look.ts). */
export const nobodysId: MemberId = memberId(0n);

/** What this member shows in every handshake (safety.md, bytes to have). */
export type PeerIdentity = {
  readonly clusterId: ClusterId;
  readonly memberId: MemberId;
  readonly storeId: StoreId;
  readonly bootEpoch: number;
  /** Drawn anew by each process: a copied directory shows the epoch of its origin. Not zero. */
  readonly bootId: bigint;
  readonly name: string;
  /** Where others reach it, as HOST:PORT; a member may move. */
  readonly address?: string | undefined;
};

/** What the other side has shown. */
export type Hello = {
  readonly memberId: MemberId;
  readonly storeId: StoreId;
  readonly bootEpoch: number;
  /** Zero where the other side is too old to say it. */
  readonly bootId: bigint;
  /** Only diallers say their name; else empty. */
  readonly name: string;
  /** See `features`. */
  readonly features: number;
  /** The names in its certificate; undefined: none is asked for here. */
  readonly certifiedNames?: readonly string[] | undefined;
};

/** A first frame, and what the link that it came on knows of the other side. */
export type Shown = {
  readonly payload: Uint8Array;
  readonly verdict: CertificateVerdict | undefined;
};

/** The verdict on a peer by what the cluster knows: an error refuses it (safety.md 15). */
export type VerifyPeer = (peer: Hello) => HoldfastError | undefined;

export function encodeHandshake(
  identity: PeerIdentity,
  to: MemberId,
  purpose: Purpose,
): Uint8Array {
  const { clusterId, memberId: from, storeId: store, bootEpoch, bootId, name, address } = identity;
  return encode(Handshake, {
    protocolVersion,
    clusterId,
    from,
    to,
    storeId: store,
    bootEpoch,
    bootId,
    purpose: purposes.indexOf(purpose),
    name,
    features: features.asks,
    address: address ?? '',
  });
}

export type Introduced = {
  readonly hello: Hello;
  readonly purpose: Purpose;
  /** Where the dialler says that it is reached; empty: it does not say. */
  readonly address: string;
};

/** The acceptor's side. Throws why the dialler is refused: `answerRefused` carries it over. */
export function checkHandshake(
  { payload, verdict }: Shown,
  identity: PeerIdentity,
  verify: VerifyPeer,
): Introduced {
  const certifiedNames = certifiedBy(verdict);
  const shown = decodePayload(Handshake, payload, 'a handshake');
  checkVersion(shown.protocolVersion);
  if (shown.clusterId !== identity.clusterId) throw clusterMismatch(shown, identity);
  if (shown.to === nobodysId) throw looked();
  if (shown.to !== identity.memberId) throw wrongMember(shown.to, identity.memberId);
  if (shown.from === identity.memberId) {
    throw refusal('failed-precondition', `member ${formatId(shown.from)} is this member's own id`);
  }
  const purpose = purposes[shown.purpose];
  if (purpose === undefined) {
    throw refusal('version-mismatch', `connection purpose ${shown.purpose} is not known here`);
  }
  const misnamed = certifiedNames && certifiedNameProblem(shown.name, certifiedNames);
  if (misnamed) throw misnamed;
  const hello = toHello({ ...shown, memberId: shown.from }, certifiedNames);
  refuseBy(verify, hello);
  return { hello, purpose, address: shown.address };
}

export function encodeAnswer(identity: PeerIdentity, refused?: HoldfastError): Uint8Array {
  // Who has not shown who it is learns nothing but why that matters.
  const isForStranger = refused?.code === 'unauthenticated';
  const { memberId: id, storeId: store, bootEpoch, bootId } = isForStranger ? nobody : identity;
  return encode(HandshakeResponse, {
    protocolVersion,
    memberId: id,
    storeId: store,
    bootEpoch,
    bootId,
    features: features.asks,
    refusalCode: refused?.code ?? '',
    refusalMessage: refused?.message ?? '',
  });
}

const nobody = { memberId: 0n, storeId: 0n, bootEpoch: 0, bootId: 0n } as const;

/** The dialler's side. Throws the other side's refusal, or this side's own. */
export function checkAnswer(
  { payload, verdict }: Shown,
  wanted: MemberId,
  verify: VerifyPeer,
): Hello {
  const certifiedNames = certifiedBy(verdict);
  const shown = decodePayload(HandshakeResponse, payload, "a handshake's answer");
  if (shown.refusalCode !== '') {
    const text = `refused by the peer: ${shown.refusalMessage}`;
    throw refusal(refusalCodes.find((code) => code === shown.refusalCode) ?? 'internal', text);
  }
  checkVersion(shown.protocolVersion);
  if (shown.memberId !== wanted) throw wrongMember(wanted, shown.memberId);
  const hello = toHello({ ...shown, name: '' }, certifiedNames);
  refuseBy(verify, hello);
  return hello;
}

/** A certificate is a member's by the name in it: addresses change, and ids are no names. */
export function certifiedNameProblem(
  name: string,
  certified: readonly string[],
): HoldfastError | undefined {
  if (certified.includes(name.toLowerCase())) return undefined;
  const names = certified.length === 0 ? 'no name' : certified.join(', ');
  const text = `the certificate shown is not that of member ${name}: it names ${names}`;
  return refusal('permission-denied', text);
}

/** The names in the other side's certificate; undefined: nobody is asked for one. */
function certifiedBy(verdict: CertificateVerdict | undefined): readonly string[] | undefined {
  if (verdict === undefined) return undefined;
  if (verdict.type === 'certified') return verdict.names;
  throw refusal('unauthenticated', verdict.reason);
}

const refusalCodes = [
  'failed-precondition',
  'cluster-mismatch',
  'removed',
  'version-mismatch',
  'permission-denied',
  'unauthenticated',
  'resource-exhausted',
  'shutting-down',
  'unavailable',
  'corrupt',
] as const;

const refusal = (code: (typeof refusalCodes)[number] | 'internal', text: string): HoldfastError =>
  new HoldfastError(code, text);

/** It would be heard, as far as can be said without knowing it; all it asks is whether. */
const looked = (): HoldfastError =>
  new HoldfastError('failed-precondition', 'nobody was called', { details: { isLook: true } });

function checkVersion(version: number): void {
  if (version === protocolVersion) return;
  const text = `the peer speaks protocol version ${version}, this member ${protocolVersion}`;
  throw refusal('version-mismatch', text);
}

function clusterMismatch(shown: Handshake, identity: PeerIdentity): HoldfastError {
  const theirs = formatId(shown.clusterId);
  const ours = formatId(identity.clusterId);
  const text = `the peer belongs to cluster ${theirs}, this member to ${ours}`;
  return refusal('cluster-mismatch', text);
}

function wrongMember(wanted: bigint, found: bigint): HoldfastError {
  const [called, lives] = [formatId(wanted), formatId(found)];
  const text = `member ${called} was called, but ${lives} lives at this address`;
  return refusal('failed-precondition', text);
}

function refuseBy(verify: VerifyPeer, hello: Hello): void {
  const refused = verify(hello);
  if (refused) throw refused;
}

function toHello(
  shown: {
    readonly memberId: bigint;
    readonly storeId: bigint;
    readonly bootEpoch: number;
    readonly bootId: bigint;
    readonly name: string;
    readonly features: number;
  },
  certifiedNames: readonly string[] | undefined,
): Hello {
  const { bootEpoch, bootId, name } = shown;
  const ids = { memberId: memberId(shown.memberId), storeId: storeId(shown.storeId) };
  return { ...ids, bootEpoch, bootId, name, features: shown.features, certifiedNames };
}
