// For the tests of the door for frames: a client that says what it is told to, well or badly.
import { emptyBytes, toText, utf8 } from '@holdfast/base/bytes';
import { deleteRangeRequest, putRequest, rangeRequest } from '@holdfast/domain/requests';
import {
  Hello,
  HelloResponse,
  Requests,
  type Response,
  Responses,
  WatchEvents,
  WatchOrders,
  type WatchReport,
  WatchReports,
} from '@holdfast/proto/client';
import {
  clientDialect,
  clientProtocolVersion,
  type Frame,
  frameKinds,
} from '@holdfast/transport/frame';
import { FrameLink } from '@holdfast/transport/frame-link';
import type { LinkEnd, LinkNetwork } from '@holdfast/transport/link';
import { TcpNetwork } from '@holdfast/transport/tcp-link';

type Request = Requests['requests'][number];
type WatchOrder = WatchOrders['orders'][number];
type WatchOpen = Extract<NonNullable<WatchOrder['order']>, { readonly $case: 'open' }>['value'];

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

/** Of the keyspace that clients need not name. */
const range = (name: string, rangeEnd = '') => ({
  keyspace: 0,
  key: utf8(name),
  rangeEnd: utf8(rangeEnd),
});

export const put = (name: string, value: string | Uint8Array): Request['request'] => ({
  $case: 'put',
  value: putRequest(range(name), typeof value === 'string' ? utf8(value) : value),
});

export const get = (name: string, rangeEnd?: string): Request['request'] => ({
  $case: 'range',
  value: rangeRequest(range(name, rangeEnd)),
});

/** A watch with neutral values for all that is not named. */
export const watchOf = (
  id: number,
  name: string,
  more: Partial<WatchOpen> & { readonly end?: string } = {},
): WatchOrder => {
  const { end = '', ...others } = more;
  const neutral = { startRevision: 0, prevKv: false, minRevision: 0, maxAgeMs: 0, progressMs: 0 };
  const value = { ...range(name, end), ...neutral, credit: 1_000_000, ...others };
  return { id, order: { $case: 'open', value } };
};

export const creditOf = (id: number, bytes: number): WatchOrder => ({
  id,
  order: { $case: 'credit', value: { bytes } },
});

export const cancelOf = (id: number): WatchOrder => ({ id, order: { $case: 'cancel', value: {} } });

/** What a report says, on one line. */
export function lineOf({ report }: WatchReport): string {
  switch (report?.$case) {
    case 'started':
      return `started ${report.value.revision}`;
    case 'progress':
      return `progress ${report.value.revision}`;
    case 'failure':
      return `failure ${report.value.code}`;
    default:
      return report ? eventsLine(report.value) : 'nothing';
  }
}

function eventsLine(bytes: Uint8Array): string {
  const { revision, events, hasMore } = WatchEvents.decode(bytes);
  const shown = events.map(({ isDelete, kv, prevKv }) => {
    const name = toText(kv?.key ?? emptyBytes);
    const before = prevKv ? ` (was ${toText(prevKv.value)})` : '';
    return isDelete ? `-${name}${before}` : `${name}=${toText(kv?.value ?? emptyBytes)}${before}`;
  });
  return `${revision}: ${shown.join(' ')}${hasMore ? ' ...' : ''}`;
}

export const remove = (name: string): Request['request'] => ({
  $case: 'deleteRange',
  value: deleteRangeRequest(range(name)),
});

export class FrameClient {
  readonly link: FrameLink;
  readonly frames: Frame[] = [];
  readonly responses = new Map<number, Response>();
  readonly reports: WatchReport[] = [];
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
        afterEvent: (action) => network.afterEvent(action),
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

  async greet(
    actor = 'tester',
    protocolVersion = clientProtocolVersion,
    who: { readonly user?: string; readonly password?: string; readonly token?: string } = {},
  ): Promise<HelloResponse> {
    const nobody = { user: '', password: '', token: '' };
    this.link.send(
      frameKinds.clientHello,
      Hello.encode({ protocolVersion, actor, features: 0, ...nobody, ...who }).finish(),
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

  order(...orders: readonly WatchOrder[]): void {
    const payload = WatchOrders.encode({ orders: [...orders] }).finish();
    this.link.send(frameKinds.clientWatchOrders, payload);
  }

  /** What one watch was told so far. */
  told(id: number): readonly string[] {
    return this.reports.filter((one) => one.id === id).map(lineOf);
  }

  /** When one watch was told so much. */
  async toldSoMuch(id: number, count: number): Promise<readonly string[]> {
    await this.until(() => this.end !== undefined || this.told(id).length >= count);
    return this.told(id);
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
        if (frame.kind === frameKinds.clientWatchReports) {
          this.reports.push(...WatchReports.decode(frame.payload).reports);
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
