// What a call ends with that failed, and who is told of it: of a fault its client learns no more
// than that there was one.
import { type HttpContext, tellFault } from '../http/http-context.ts';
import type { GrpcMethod } from './method.ts';
import { GrpcStatus } from './status.ts';

export function statusOfFailure(
  error: unknown,
  { name, statusOf }: Pick<GrpcMethod, 'name' | 'statusOf'>,
  context: HttpContext,
): GrpcStatus {
  if (error instanceof GrpcStatus) return error;
  tellFault(context, error, `gRPC, ${name}`);
  return statusOf(error);
}
