// How a scope of routes takes bodies: JSON that is parsed and checked, or bytes as they are. Both
// read through `request-body.ts`, so that an oversized body is heard out before it gets its 413.
import { HoldfastError } from '@holdfast/base/errors';
import type { FastifyInstance, FastifyRequest } from 'fastify';

import { jsonOf } from './json-body.ts';
import { HttpStatusError } from './problem.ts';
import { readBody } from './request-body.ts';

type Parsed = (error: Error | null, body?: unknown) => void;

/** JSON for routes with a body schema; another content type reaches the schema as bytes (415). */
export function acceptJsonBodies(app: FastifyInstance, bytesMax: number): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', parserOf(bytesMax, jsonOf));
  app.addContentTypeParser('*', parserOf(bytesMax, asItIs));
}

/** The body as a Buffer, whatever its content type says: for values and configurations. */
export function acceptRawBodies(app: FastifyInstance, bytesMax: number): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', parserOf(bytesMax, asItIs));
}

/** The body stays in the socket: the handler reads it. */
export function acceptUnreadBodies(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', (_request, _payload, done) => done(null));
}

const asItIs = (body: Buffer): Buffer => body;

function parserOf(bytesMax: number, parse: (body: Buffer) => unknown) {
  return (request: FastifyRequest, _payload: unknown, done: Parsed): void => {
    readBody(request.raw, bytesMax, (error, body, close) => {
      if (error) done(close ? closing(error) : error);
      else parseInto(done, () => parse(body));
    });
  };
}

/** The rest of the body was not read: this connection ends with the answer. */
const closing = (error: HoldfastError): HttpStatusError =>
  new HttpStatusError(413, error, { Connection: 'close' });

function parseInto(done: Parsed, parse: () => unknown): void {
  let body: unknown;
  try {
    body = parse();
  } catch (error) {
    done(error instanceof Error ? error : new HoldfastError('internal', String(error)));
    return;
  }
  done(null, body);
}
