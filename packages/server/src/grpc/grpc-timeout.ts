// The time that a caller gives a call: at most eight digits and a unit (gRPC over HTTP/2,
// "Timeout").
import { GrpcStatus, statusCodes } from './status.ts';

const unitMs: Readonly<Record<string, number>> = {
  H: 3_600_000,
  M: 60_000,
  S: 1000,
  m: 1,
  u: 1e-3,
  n: 1e-6,
};

/** In milliseconds, above zero. Undefined: none was given. Throws a GrpcStatus. */
export function timeoutMsOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const [, digits, unit] = /^(\d{1,8})([HMSmun])$/.exec(text) ?? [];
  if (digits === undefined || unit === undefined) {
    throw new GrpcStatus(statusCodes.internal, `malformed grpc-timeout: ${text.slice(0, 40)}`);
  }
  return Math.max(1, Math.ceil(Number(digits) * (unitMs[unit] as number)));
}
