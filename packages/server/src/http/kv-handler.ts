// PUT, GET, HEAD and DELETE of one key: the door's hot path. It works on Node's own request and
// response (the router has hijacked them), allocates little, and answers small values as one write.
// Everything that is not on the hot path of speed.md lives in kv-routes.ts.
import type { IncomingMessage, ServerResponse } from 'node:http';

import { emptyBytes, utf8 } from '@holdfast/base/bytes';
import { HoldfastError } from '@holdfast/base/errors';
import { conditionalTxn, conditionFailed, deletedBy } from '@holdfast/domain/condition';
import {
  compareModRevision,
  deleteOperation,
  deleteRangeRequest,
  type KeyRange,
  putOperation,
  putRequest,
  rangeRequest,
} from '@holdfast/domain/requests';
import { AppliedBefore } from '@holdfast/engine/applied-before';
import type { Answer, ResponseHeader } from '@holdfast/engine/engine';
import type {
  Compare,
  KeyValue,
  RangeResponse,
  RequestOp,
  TxnResponse,
} from '@holdfast/proto/internal';

import { Call } from './call.ts';
import {
  flagOf,
  idOf,
  invalid,
  naturalOf,
  type Precondition,
  preconditionOf,
  readParameters,
} from './call-options.ts';
import type { HttpContext } from './http-context.ts';
import { ageText, appliedBeforeView, headerView, kvKeyspace, kvView } from './kv-view.ts';
import { problemHeaders, problemOf, problemText } from './problem.ts';
import { readBody } from './request-body.ts';

/** Bodies up to here are sent as one string with their head, which saves a write of its own. */
const oneWriteBytesMax = 4096;
const route = '/v1/kv/{key}';
const getParameters = [...readParameters, 'format', 'revision'];
const putParameters = ['prev', 'lease'];
const deleteParameters = ['prev'];

/** A request and its answer; made once a request, by the route. */
export type Exchange = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Decoded. */
  readonly key: string;
};

type Started = Exchange & { readonly startedMs: number };

export class KvHandler {
  readonly #context: HttpContext;

  constructor(context: HttpContext) {
    this.#context = context;
  }

  put(exchange: Exchange): void {
    const started = this.#start(exchange);
    const { bodyBytesMax } = this.#context.limits;
    readBody(exchange.request, bodyBytesMax, (error, body, close) => {
      if (close) exchange.response.shouldKeepAlive = false;
      if (error) this.#fail(started, error);
      else void this.#put(started, body); // Answers its own errors.
    });
  }

  get(exchange: Exchange): void {
    void this.#get(this.#start(exchange)); // Answers its own errors.
  }

  delete(exchange: Exchange): void {
    void this.#delete(this.#start(exchange)); // Answers its own errors.
  }

  #start(exchange: Exchange): Started {
    const { request, response, key } = exchange;
    return { request, response, key, startedMs: this.#context.clock.monotonicMs() };
  }

  async #put(exchange: Started, value: Uint8Array): Promise<void> {
    let call: Call | undefined;
    try {
      call = new Call(this.#context, exchange.request, putParameters);
      const range = keyRange(exchange.key);
      const lease = leaseOf(call.query.lease);
      const precondition = preconditionOf(exchange.request.headers);
      if (precondition.kind !== 'none') {
        const operation = putOperation(range, value, lease);
        const answer = await this.#conditional(call, { range, precondition, operation });
        this.#sendRevision(exchange, answer.header, {});
        return;
      }
      const prevKv = flagOf(call.query, 'prev');
      const request = { ...putRequest(range, value), lease, prevKv };
      const { header, body } = await this.#context.slot.engine.put(request, call.write);
      this.#sendRevision(exchange, header, prevKv ? { prev: prevView(body.prevKv) } : {});
    } catch (error) {
      this.#fail(exchange, error);
    } finally {
      call?.dispose();
    }
  }

  async #get(exchange: Started): Promise<void> {
    let call: Call | undefined;
    try {
      call = new Call(this.#context, exchange.request, getParameters);
      const json = wantsJson(call.query.format);
      const revision = naturalOf(call.query, 'revision') ?? 0;
      const request = rangeRequest(keyRange(exchange.key), { revision });
      const answer = await this.#context.slot.engine.range(request, call.read);
      this.#sendValue(exchange, answer, json);
    } catch (error) {
      this.#fail(exchange, error);
    } finally {
      call?.dispose();
    }
  }

  async #delete(exchange: Started): Promise<void> {
    let call: Call | undefined;
    try {
      call = new Call(this.#context, exchange.request, deleteParameters);
      const range = keyRange(exchange.key);
      const precondition = preconditionOf(exchange.request.headers);
      if (precondition.kind !== 'none') {
        const operation = deleteOperation(range);
        const answer = await this.#conditional(call, { range, precondition, operation });
        this.#sendRevision(exchange, answer.header, { deleted: deletedBy(answer.body) });
        return;
      }
      const prevKv = flagOf(call.query, 'prev');
      const request = { ...deleteRangeRequest(range), prevKv };
      const { header, body } = await this.#context.slot.engine.deleteRange(request, call.write);
      const prev = prevKv ? { prev: prevView(body.prevKvs[0]) } : {};
      this.#sendRevision(exchange, header, { deleted: body.deleted, ...prev });
    } catch (error) {
      this.#fail(exchange, error);
    } finally {
      call?.dispose();
    }
  }

  /** `If-Match` and `If-None-Match` become the compare of one transaction. */
  async #conditional(call: Call, write: ConditionalWrite): Promise<Answer<TxnResponse>> {
    const { range, precondition, operation } = write;
    const compare = compareOf(range, precondition);
    const request = conditionalTxn({ range, compare, operation });
    const answer = await this.#context.slot.engine.txn(request, call.write);
    if (answer.body.succeeded) return answer;
    throw conditionFailed(wantedBy(precondition), answer.body);
  }

  #sendRevision(exchange: Started, header: ResponseHeader, more: Record<string, unknown>): void {
    const revision = String(header.revision);
    const text = JSON.stringify({ revision: header.revision, ...more });
    const { response } = exchange;
    response.writeHead(200, [
      'ETag',
      `"${revision}"`,
      'X-Holdfast-Revision',
      revision,
      'Content-Type',
      'application/json',
      'Content-Length',
      String(Buffer.byteLength(text)),
    ]);
    response.end(text);
    this.#observe(exchange, 200);
  }

  #sendValue(exchange: Started, answer: Answer<RangeResponse>, json: boolean): void {
    const kv = answer.body.kvs[0];
    if (kv === undefined) throw notFound(exchange.key, answer.header);
    if (exchange.request.headers['if-none-match'] === `"${kv.modRevision}"`) {
      this.#send(exchange, 304, { head: valueHead(kv, answer.header), body: undefined });
      return;
    }
    const body = json
      ? Buffer.from(JSON.stringify({ ...headerView(answer.header), ...kvView(kv) }))
      : Buffer.from(kv.value.buffer, kv.value.byteOffset, kv.value.byteLength);
    const head = valueHead(kv, answer.header);
    head.push('Content-Type', json ? 'application/json' : 'application/octet-stream');
    head.push('Content-Length', String(body.length));
    this.#send(exchange, 200, { head, body });
  }

  #send(
    exchange: Started,
    status: number,
    answer: { readonly head: string[]; readonly body: Buffer | undefined },
  ): void {
    const { response } = exchange;
    const { body } = answer;
    response.writeHead(status, answer.head);
    if (body === undefined) response.end();
    else if (body.length <= oneWriteBytesMax) response.end(body.toString('latin1'), 'latin1');
    else response.end(body);
    this.#observe(exchange, status);
  }

  #fail(exchange: Started, error: unknown): void {
    if (error instanceof AppliedBefore) {
      const body = Buffer.from(JSON.stringify(appliedBeforeView(error)));
      const head = ['X-Holdfast-Revision', String(error.revision), 'Content-Type'];
      head.push('application/json', 'Content-Length', String(body.length));
      this.#send(exchange, 200, { head, body });
      return;
    }
    const problem = problemOf(error);
    if (problem.code === 'internal') this.#context.onFault(error, route);
    const { response } = exchange;
    // The client has gone, or a fault came after the head: nobody can be told any more.
    if (response.headersSent || response.destroyed) return;
    const text = problemText(problem);
    response.writeHead(problem.status, {
      ...problemHeaders(error, problem),
      'Content-Length': Buffer.byteLength(text),
    });
    response.end(text);
    this.#observe(exchange, problem.status);
  }

  #observe(exchange: Started, status: number): void {
    const durationMs = this.#context.clock.monotonicMs() - exchange.startedMs;
    this.#context.times.observe(route, exchange.request.method ?? '', { status, durationMs });
  }
}

type ConditionalWrite = {
  readonly range: KeyRange;
  readonly precondition: Precondition;
  readonly operation: RequestOp;
};

function keyRange(key: string): KeyRange {
  if (key === '') throw invalid('a key has at least one character');
  return { keyspace: kvKeyspace, key: utf8(key), rangeEnd: emptyBytes };
}

function compareOf(range: KeyRange, precondition: Precondition): Compare {
  switch (precondition.kind) {
    case 'revision-is':
      return compareModRevision(range, '=', precondition.revision);
    case 'revision-is-not':
      return compareModRevision(range, '!=', precondition.revision);
    case 'exists':
      return compareModRevision(range, '!=', 0);
    default:
      return compareModRevision(range, '=', 0);
  }
}

const leaseOf = (text: string | undefined): bigint =>
  text === undefined ? 0n : idOf(text, 'lease');

const wantedBy = (precondition: Precondition): string =>
  'revision' in precondition
    ? `${precondition.kind.replaceAll('-', ' ')} ${precondition.revision}`
    : precondition.kind;

const prevView = (kv: KeyValue | undefined) => (kv === undefined ? null : kvView(kv));

function wantsJson(format: string | undefined): boolean {
  if (format === undefined || format === 'raw') return false;
  if (format === 'json') return true;
  throw invalid(`format is raw or json, not ${JSON.stringify(format)}`);
}

const notFound = (key: string, header: ResponseHeader): HoldfastError =>
  new HoldfastError('not-found', `there is no key ${JSON.stringify(key)}`, {
    details: headerView(header),
  });

/** Names and values in turn, as writeHead takes them with the least work. */
const valueHead = (kv: KeyValue, header: ResponseHeader): string[] => [
  'ETag',
  `"${kv.modRevision}"`,
  'X-Holdfast-Revision',
  String(header.revision),
  'X-Holdfast-Age-Ms',
  ageText(header.ageMs),
  'X-Holdfast-Create-Revision',
  String(kv.createRevision),
  'X-Holdfast-Version',
  String(kv.version),
  'Cache-Control',
  'no-cache',
  'X-Content-Type-Options',
  'nosniff',
  ...(kv.lease === 0n ? [] : ['X-Holdfast-Lease', kv.lease.toString()]),
];
