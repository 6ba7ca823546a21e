// What a request on a configuration says: its key, its condition, its comment.
import { toTextStrict } from '@holdfast/base/bytes';
import type { ConfigCondition } from '@holdfast/domain/config-condition';
import { type ConfigFilter, type ConfigKey, configKey } from '@holdfast/domain/config-key';
import type { FastifyRequest } from 'fastify';

import { invalid, naturalOf, preconditionOf, type Query } from './call-options.ts';

/** From the decoded path; refuses `..`, control characters and their like. */
export function keyOf(request: FastifyRequest): ConfigKey {
  const { namespace, group, name } = request.params as ConfigKey;
  return configKey(namespace, group, name);
}

/** The parts of a filter that the path names, and those of the query. */
export function filterOf(path: Partial<ConfigKey>, query: Query): ConfigFilter {
  return {
    namespace: path.namespace ?? query.namespace,
    group: path.group ?? query.group,
    name: query.name,
    prefix: query.prefix,
  };
}

/**
 * `If-Match: "version"` or `*`, `If-None-Match: *`, `?if-revision=`; all that are there must hold.
 */
export function conditionOf(request: FastifyRequest, query: Query): ConfigCondition {
  const revision = naturalOf(query, 'if-revision');
  const precondition = preconditionOf(request.headers);
  switch (precondition.kind) {
    case 'none':
      return { revision };
    case 'exists':
      return { revision, present: true };
    case 'absent':
      return { revision, absent: true };
    case 'revision-is':
      return { revision, version: precondition.revision }; // The number in the tag: a version here.
    case 'revision-is-not':
      throw invalid('a change takes If-None-Match: * only; If-Match names a version');
  }
}

/** Whether `If-None-Match` of a read names what is there (RFC 9110, 13.1.2). */
export function isKnown(request: FastifyRequest, etag: string): boolean {
  const header = request.headers['if-none-match'];
  if (header === undefined) return false;
  const tags = header.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return tags.includes(etag) || tags.includes('*');
}

/** `?comment=` or the header `Holdfast-Comment`, which may be UTF-8 though headers are Latin-1. */
export function commentOf(request: FastifyRequest, query: Query): string {
  const header = request.headers['holdfast-comment'];
  if (query.comment !== undefined && header !== undefined) {
    throw invalid('the comment stands in the query and in Holdfast-Comment: send it once');
  }
  if (typeof header !== 'string') return query.comment ?? '';
  return toTextStrict(Buffer.from(header, 'latin1')) ?? header;
}
