// For the tests of the door for frames: a client that says what it is told to, well or badly.
import { Hello, HelloResponse, Requests, type Response, Responses } from '@holdfast/proto/client';
import { clientDialect, type Frame, frameKinds } from '@holdfast/transport/frame';
import { FrameLink } from '@holdfast/transport/frame-link';
import type { LinkEnd, LinkNetwork } from '@holdfast/transport/link';
import { TcpNetwork } from '@holdfast/transport/tcp-link';

import { clientProtocolVersion } from './client-connection.ts';

export const textBytes = (text: string): Uint8Array => new TextEncoder().encode(text);

type Request = Requests['requests'][number];

/** A request with neutral values for all that is not named. */
export const requestOf = (
  id: number,
  request: Request['request'],
  more: Partial<Request> = {},
): Request => ({
  ...{ id, timeoutMs: 0, session: undefined, level: 0, maxAgeMs: 0, minRevision: 0 },
  ...more,
  request,
});

const key = (name: string) => ({ keyspace: 0, key: textBytes(name), rangeEnd: new Uint8Array(0) });

export const put = (name: string, value: string | Uint8Array): Request['request'] => ({
  $case: 'put',
  value: {
    ...{ keyspace: 0, key: textBytes(name), lease: 0n },
    value: typeof value === 'string' ? textBytes(value) : value,
    ...{ prevKv: false, ignoreValue: false, ignoreLease: false },
  },
});

export const get = (name: string, rangeEnd = ''): Request['request'] => ({
  $case: 'range',
  value: {
    ...key(name),
    rangeEnd: textBytes(rangeEnd),
    ...{ limit: 0, revision: 0, keysOnly: false, countOnly: false },
  },
});

export const remove = (name: string): Request['request'] => ({
  $case: 'deleteRange',
  value: { ...key(name), prevKv: false },
});

export class FrameClient {
  readonly link: FrameLink;
  readonly frames: Frame[] = [];
  readonly responses = new Map<number, Response>();
  end: LinkEnd | undefined;
  #wake = (): void => undefined;

  private constructor(link: FrameLink) {
    this.link = link;
  }

  static async connect(
    port: number,
    network: LinkNetwork = new TcpNetwork(),
  ): Promise<FrameClient> {
    const { signal } = new AbortController();
    const dialled = await network.dial(`127.0.0.1:${port}`, signal);
    const client = new FrameClient(
      new FrameLink({
        link: network.secure ? await network.secure(dialled, signal) : dialled,
        endOfTurn: (action) => network.endOfTurn(action),
        queueBytesMax: 256 * 1024 * 1024,
        strangerBytesMax: 32 * 1024 * 1024,
        dialect: clientDialect,
      }),
    );
    client.#open();
    return client;
  }

  /** With a hello that was answered well. */
  static async greeted(port: number, network?: LinkNetwork): Promise<FrameClient> {
    const client = await FrameClient.connect(port, network);
    const { refusal } = await client.greet();
    if (refusal) throw new Error(refusal.message);
    return client;
  }

  async greet(actor = 'tester', protocolVersion = clientProtocolVersion): Promise<HelloResponse> {
    this.link.send(
      frameKinds.clientHello,
      Hello.encode({ protocolVersion, actor, features: 0 }).finish(),
    );
    await this.until(() => this.frames.length > 0);
    return HelloResponse.decode((this.frames[0] as Frame).payload);
  }

  send(...requests: readonly Request[]): void {
    this.link.send(
      frameKinds.clientRequests,
      Requests.encode({ requests: [...requests] }).finish(),
    );
  }

  async answerTo(id: number): Promise<Response> {
    await this.until(() => this.responses.has(id) || this.end !== undefined);
    const answer = this.responses.get(id);
    if (!answer) throw new Error(`no answer to ${id}: ${JSON.stringify(this.end)}`);
    return answer;
  }

  async ended(): Promise<LinkEnd> {
    await this.until(() => this.end !== undefined);
    return this.end as LinkEnd;
  }

  async until(isThere: () => boolean): Promise<void> {
    while (!isThere()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #open(): void {
    this.link.open({
      onFrame: (frame) => {
        this.frames.push(frame);
        if (frame.kind === frameKinds.clientResponses) {
          for (const one of Responses.decode(frame.payload).responses) {
            this.responses.set(one.id, one);
          }
        }
        this.#wake();
      },
      onEnd: (end) => {
        this.end = end;
        this.#wake();
      },
    });
  }
}
