// The text form of where a process listens: HOST:PORT, with an IPv6 host in brackets.
import { HoldfastError } from '@holdfast/base/errors';

export type Address = { readonly host: string; readonly port: number };

/** Throws `invalid-argument`. Port 0 is allowed: a listener then takes any free one. */
export function parseAddress(text: string): Address {
  const match = /^(?:\[([0-9a-fA-F:.%]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || !(port <= 65_535)) {
    throw new HoldfastError('invalid-argument', `"${text}" is no address: write HOST:PORT`);
  }
  return { host, port };
}

export const formatAddress = ({ host, port }: Address): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

export function isAddress(text: string): boolean {
  try {
    return parseAddress(text).port !== 0;
  } catch {
    return false; // Which is all that was asked.
  }
}
