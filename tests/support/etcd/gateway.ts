// Plain HTTP at the gateway of one member, as a program without any library has it.
import { expect } from 'vitest';

import type { ProcessMember } from '../process-cluster.ts';

export const base64 = (text: string): string => Buffer.from(text).toString('base64');
export const plain = (text: unknown): string => Buffer.from(String(text), 'base64').toString();

/** Answers are looked into as scripts do it. */
export type Json = ReturnType<typeof JSON.parse>;

export class Gateway {
  readonly #member: ProcessMember;
  readonly #token: string | undefined;

  constructor(member: ProcessMember, token?: string) {
    this.#member = member;
    this.#token = token;
  }

  /** The same, as somebody. */
  as(token: string): Gateway {
    return new Gateway(this.#member, token);
  }

  async post(path: string, body: object = {}): Promise<Json> {
    const answer = await this.#send(path, body, AbortSignal.timeout(20_000));
    const text = await answer.text();
    expect(answer.status, `${path}: ${text}`).toBe(200);
    return JSON.parse(text);
  }

  /** How it is refused: its status and its sentence. */
  async refused(path: string, body: object = {}): Promise<string> {
    const answer = await this.#send(path, body, AbortSignal.timeout(20_000));
    const { error } = (await answer.json()) as { readonly error?: string };
    return `${answer.status} ${error}`;
  }

  /** Each message of a stream, until whoever reads it has enough. */
  async *stream(path: string, body: object): AsyncGenerator<Json, void, undefined> {
    const end = new AbortController();
    try {
      const answer = await this.#send(path, body, end.signal);
      expect(answer.status).toBe(200);
      let rest = '';
      for await (const part of answer.body ?? []) {
        const lines = (rest + Buffer.from(part).toString()).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) yield JSON.parse(line).result;
      }
    } finally {
      end.abort();
    }
  }

  /** By our own door of the same member. */
  async own(method: string, path: string, body: string): Promise<void> {
    const answer = await fetch(`${this.#member.url}${path}`, {
      ...{ method, body, signal: AbortSignal.timeout(20_000) },
      headers: { 'content-type': 'application/octet-stream' },
    });
    expect(answer.ok, `${path}: ${await answer.text()}`).toBe(true);
  }

  #send(path: string, body: object, signal: AbortSignal): Promise<Response> {
    return fetch(`${this.#member.url}/v3/${path}`, {
      ...{ method: 'POST', body: JSON.stringify(body), signal },
      headers: this.#token === undefined ? {} : { authorization: this.#token },
    });
  }
}

/** The next message of a stream, which is not its end. */
export async function next(stream: AsyncIterator<Json>): Promise<Json> {
  const { done, value } = await stream.next();
  expect(done, 'a message').not.toBe(true);
  return value;
}
