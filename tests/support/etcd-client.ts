// The stock gRPC client of Node programs at one member, with etcd's messages.
import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import { encode } from '@holdfast/proto/encode';

import type { ProcessMember } from './process-cluster.ts';

type Codec<T> = Parameters<typeof encode<T>>[0] & { decode(bytes: Uint8Array): T };

const same = (bytes: Buffer): Buffer => bytes;

export class EtcdClient implements Disposable {
  readonly #client: Client;

  constructor(member: ProcessMember) {
    const options = { 'grpc.use_local_subchannel_pool': 1 };
    this.#client = new Client(member.place.client, credentials.createInsecure(), options);
  }

  /** Rejects with `CODE SENTENCE`. */
  ask<Request, Response>(
    path: string,
    [request, response]: readonly [Codec<Request>, Codec<Response>],
    more: Partial<Request> = {},
  ): Promise<Response> & { cancel(): void } {
    const message = bytesOf(request, more);
    let cancel = (): void => undefined;
    const answer = new Promise<Response>((resolve, reject) => {
      const done = (error: ServiceError | null, bytes?: Buffer): void =>
        error
          ? reject(new Error(`${error.code} ${error.details}`))
          : resolve(response.decode(bytes as Buffer));
      const call = this.#client.makeUnaryRequest(`/${path}`, same, same, message, done);
      cancel = () => call.cancel();
    });
    return Object.assign(answer, { cancel: () => cancel() });
  }

  async *stream<Request, Response>(
    path: string,
    [request, response]: readonly [Codec<Request>, Codec<Response>],
    more: Partial<Request> = {},
  ): AsyncGenerator<Response, void, undefined> {
    const message = bytesOf(request, more);
    for await (const bytes of this.#client.makeServerStreamRequest(`/${path}`, same, same, message))
      yield response.decode(bytes as Buffer);
  }

  [Symbol.dispose](): void {
    this.#client.close();
  }
}

const bytesOf = <T>(codec: Codec<T>, more: Partial<T>): Buffer =>
  Buffer.from(encode(codec, { ...codec.decode(new Uint8Array(0)), ...more }));
