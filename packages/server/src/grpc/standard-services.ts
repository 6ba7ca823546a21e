// What every server of gRPC is expected to have beside its own services: health and reflection.

import { type HealthServiceOptions, healthService } from './health-service.ts';
import type { GrpcMethods } from './method.ts';
import { reflectionService } from './reflection-service.ts';

export type StandardServiceOptions = Omit<HealthServiceOptions, 'services'> & {
  /** The others that are served. */
  readonly methods: GrpcMethods;
};

/** All methods, the others among them. */
export function withStandardServices(options: StandardServiceOptions): GrpcMethods {
  const all = new Map(options.methods);
  const services = (): ReadonlySet<string> => new Set([...all.keys()].map(serviceOf));
  const own = { ...options, services };
  for (const [path, method] of reflectionService(own)) all.set(path, method);
  for (const [path, method] of healthService(own)) all.set(path, method);
  return all;
}

/** Of `/package.Service/Method`. */
const serviceOf = (path: string): string => path.slice(1, path.lastIndexOf('/'));
