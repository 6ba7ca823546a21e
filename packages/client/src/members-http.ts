// Lets through what members of Holdfast answer, and nothing else: a page of whoever else listens at
// an endpoint is neither an acknowledgement, nor a value, nor the word that a key is not there. The
// sign is any `x-holdfast...` header, which every answer of a member carries. Members from before
// that are known by what they say: a problem document, or the beginning of their pages.
import { foreignReason, isProblem } from './errors.ts';
import {
  type HttpAnswer,
  type HttpMethod,
  type HttpPort,
  type HttpRequest,
  TransportFailure,
} from './http-port.ts';

const signPrefix = 'x-holdfast';
/** More than any of the beginnings below. */
const beginningBytes = 64;
const problemBytesMax = 64 * 1024;
const excerptLengthMax = 80;

export class MembersHttp implements HttpPort {
  readonly #inner: HttpPort;

  constructor(inner: HttpPort) {
    this.#inner = inner;
  }

  /** Rejects with a TransportFailure that `isForeign` as well. */
  async request(request: HttpRequest): Promise<HttpAnswer> {
    const answer = await this.#inner.request(request);
    return hasSign(answer.headers) ? answer : recognized(answer, request);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

function hasSign(headers: HttpAnswer['headers']): boolean {
  for (const name in headers) if (name.startsWith(signPrefix)) return true;
  return false;
}

async function recognized(answer: HttpAnswer, request: HttpRequest): Promise<HttpAnswer> {
  const isRefusal = answer.status >= 400;
  const read = await beginningOf(answer, isRefusal ? problemBytesMax : beginningBytes);
  const text = new TextDecoder().decode(read.bytes);
  if (isRefusal ? isProblem(text) : isOlderPage.test(text)) return read.answer;
  answer.discard();
  throw foreign(request, answer, text);
}

/**
 * How the pages of older members begin: of what was asked or written, of a member or its cluster,
 * of its start, and of its life.
 */
const isOlderPage = /^(?:\{"revision":\d|\{"(?:clusterId|leader|member|by|stage)":|(?:pong|ok)\n)/;

type Beginning = { readonly bytes: Uint8Array; readonly answer: HttpAnswer };

/** So many bytes, or all; the answer is whole again. */
async function beginningOf(answer: HttpAnswer, bytesMax: number): Promise<Beginning> {
  const rest = answer.body[Symbol.asyncIterator]();
  const parts: Uint8Array[] = [];
  let length = 0;
  while (length < bytesMax) {
    const { done, value } = await rest.next();
    if (done) break;
    parts.push(value);
    length += value.length;
  }
  const { status, headers } = answer;
  const whole = { status, headers, body: joined(parts, rest), discard: () => answer.discard() };
  return { bytes: Buffer.concat(parts), answer: whole };
}

async function* joined(
  parts: readonly Uint8Array[],
  rest: AsyncIterator<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  try {
    yield* parts;
    for (;;) {
      const { done, value } = await rest.next();
      if (done) return;
      yield value;
    }
  } finally {
    await rest.return?.();
  }
}

/** Somebody in between may have handed a write on, and lost its answer; a refusal has not. */
function foreign(request: HttpRequest, answer: HttpAnswer, text: string): TransportFailure {
  const { endpoint, method } = request;
  const what = `answered, but it is no member of Holdfast: ${descriptionOf(answer, text)}`;
  const { status } = answer;
  const isRefusal = status >= 400 && status < 500;
  const outcome = isRead(method) || isRefusal ? 'not-applied' : 'unknown';
  return new TransportFailure(endpoint, what, { outcome, reason: foreignReason, status });
}

const isRead = (method: HttpMethod): boolean => method === 'GET';

function descriptionOf({ status, headers }: HttpAnswer, text: string): string {
  const type = headers['content-type'] ?? 'no content type';
  // Its own words, on one line, and nothing that a terminal would obey.
  const excerpt = text
    .slice(0, excerptLengthMax)
    .replaceAll(/[^\x20-\x7e]+/g, ' ')
    .trim();
  return `status ${status}, ${type}${excerpt === '' ? '' : `, ${JSON.stringify(excerpt)}`}`;
}
