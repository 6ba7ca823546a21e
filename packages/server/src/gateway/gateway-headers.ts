// What the headers of a request say to a service, which looks for metadata of gRPC.
import type { IncomingHttpHeaders } from 'node:http';

import { GrpcStatus, statusCodes } from '../grpc/status.ts';

/**
 * By a name in lower case. A token of etcd stands in `Authorization`, bare as etcd takes it or
 * behind `Bearer`; other metadata stands behind `Grpc-Metadata-`.
 */
export function metadataOf(headers: IncomingHttpHeaders, name: string): string | undefined {
  if (name === 'grpc-timeout' || name === 'holdfast-actor') return textOf(headers[name]);
  const named = textOf(headers[`grpc-metadata-${name}`]);
  return named ?? (name === 'token' || name === 'authorization' ? tokenOf(headers) : undefined);
}

const tokenOf = ({ authorization }: IncomingHttpHeaders): string | undefined =>
  authorization?.replace(/^bearer +/i, '');

const textOf = (value: string | readonly string[] | undefined): string | undefined =>
  typeof value === 'object' ? value[0] : value;

/**
 * A page of another site can make a browser send such a request without asking anybody; programs
 * name no origin. Throws a GrpcStatus.
 */
export function refuseOtherOrigins({ origin, host }: IncomingHttpHeaders): void {
  if (origin === undefined || hostOf(origin) === host) return;
  throw new GrpcStatus(statusCodes.permissionDenied, 'pages of other origins are not answered');
}

function hostOf(origin: string): string | undefined {
  try {
    return new URL(origin).host;
  } catch {
    return undefined; // `null`, for one: of no host at all.
  }
}
