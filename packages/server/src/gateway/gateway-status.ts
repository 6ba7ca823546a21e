// How a call of the gateway ends badly: the status of HTTP, and the body as etcd's clients read it.
import { STATUS_CODES } from 'node:http';

import { type GrpcStatus, type StatusCode, statusCodes } from '../grpc/status.ts';

/** By codes of gRPC, as etcd 3.5 answers; 499 is what etcd 3.6 says of calls given up. */
const httpStatuses: Readonly<Record<StatusCode, number>> = {
  [statusCodes.ok]: 200,
  [statusCodes.cancelled]: 499,
  [statusCodes.unknown]: 500,
  [statusCodes.invalidArgument]: 400,
  [statusCodes.deadlineExceeded]: 504,
  [statusCodes.notFound]: 404,
  [statusCodes.alreadyExists]: 409,
  [statusCodes.permissionDenied]: 403,
  [statusCodes.resourceExhausted]: 429,
  [statusCodes.failedPrecondition]: 400,
  [statusCodes.aborted]: 409,
  [statusCodes.outOfRange]: 400,
  [statusCodes.unimplemented]: 501,
  [statusCodes.internal]: 500,
  [statusCodes.unavailable]: 503,
  [statusCodes.dataLoss]: 500,
  [statusCodes.unauthenticated]: 401,
};

export const httpStatusOf = ({ code }: GrpcStatus): number => httpStatuses[code];

/** `error` is what programs for etcd before 3.6 look at, `message` what those for 3.6 do. */
export const errorText = ({ code, message }: GrpcStatus): string =>
  JSON.stringify({ error: message, code, message });

/** The last line of a stream: in the words of etcd 3.5, and `code` for those of 3.6. */
export function streamErrorText(status: GrpcStatus): string {
  const { code, message } = status;
  const httpCode = httpStatusOf(status);
  const httpStatus = STATUS_CODES[httpCode] ?? 'Client Closed Request';
  const error = { grpc_code: code, http_code: httpCode, message, http_status: httpStatus, code };
  return `${JSON.stringify({ error })}\n`;
}
