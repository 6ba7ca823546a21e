// Goal: tools that know nothing of this server find its services and their messages, and that it
// serves. Method: the stock client of Node programs at the door, and what it learns is used.
import { create, createFileRegistry, fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { SystemClock } from '@holdfast/base/system-clock';
import { encode } from '@holdfast/proto/encode';
import {
  HealthCheckRequest,
  HealthCheckResponse,
  HealthCheckResponse_ServingStatus,
} from '@holdfast/proto/grpc-health';
import { ServerReflectionRequest, ServerReflectionResponse } from '@holdfast/proto/grpc-reflection';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { listen, type TestDoor, testDoor } from '../http/test-door.fixture.ts';
import { StockClient } from './stock-client.fixture.ts';

let door: TestDoor;
let client: StockClient;

beforeEach(async () => {
  door = testDoor({ clock: new SystemClock() });
  client = new StockClient(`127.0.0.1:${await listen(door.app)}`);
});

afterEach(async () => {
  client.close();
  await door.app.close();
});

type Question = NonNullable<ServerReflectionRequest['messageRequest']>;

async function reflect(version: string, questions: readonly Question[]) {
  const path = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;
  const stream = client.bidi(path);
  for (const messageRequest of questions) {
    stream.write(Buffer.from(encode(ServerReflectionRequest, { host: 'here', messageRequest })));
  }
  stream.end();
  const answers: ServerReflectionResponse[] = [];
  for await (const one of stream) answers.push(ServerReflectionResponse.decode(one as Buffer));
  expect(answers.map(({ originalRequest }) => originalRequest?.messageRequest)).toEqual(questions);
  return answers.map(({ messageResponse }) => messageResponse);
}

const symbol = (value: string): Question => ({ $case: 'fileContainingSymbol', value });

/** What a tool makes of the files of an answer. */
function registryOf(answer: ServerReflectionResponse['messageResponse']) {
  if (answer?.$case !== 'fileDescriptorResponse') throw new Error(`no files: ${answer?.$case}`);
  const files = answer.value.fileDescriptorProto.map((bytes) =>
    fromBinary(FileDescriptorProtoSchema, bytes),
  );
  return createFileRegistry(create(FileDescriptorSetSchema, { file: files.reverse() }));
}

describe('reflection', () => {
  for (const version of ['v1', 'v1alpha']) {
    it(`${version} lists the services that are served, and no others`, async () => {
      const [answer] = await reflect(version, [{ $case: 'listServices', value: '' }]);
      const names =
        answer?.$case === 'listServicesResponse'
          ? answer.value.service.map(({ name }) => name)
          : [];
      expect(names).toEqual(
        expect.arrayContaining([
          'etcdserverpb.KV',
          'grpc.health.v1.Health',
          'grpc.reflection.v1.ServerReflection',
          'grpc.reflection.v1alpha.ServerReflection',
        ]),
      );
      const answers = await reflect(version, names.map(symbol));
      for (const [at, files] of answers.entries()) {
        expect(registryOf(files).getService(names[at] as string)?.methods.length).toBeGreaterThan(
          0,
        );
      }
    });
  }

  it('finds files by name and by whatever stands in them', async () => {
    const answers = await reflect('v1', [
      symbol('etcdserverpb.KV.Range'),
      symbol('etcdserverpb.RangeRequest.SortOrder'),
      symbol('etcdserverpb.RequestOp.request_put'),
      symbol('mvccpb.KeyValue'),
      { $case: 'fileByFilename', value: 'etcd/rpc.proto' },
      { $case: 'allExtensionNumbersOfType', value: 'mvccpb.KeyValue' },
    ]);
    const put = registryOf(answers[4]).getMessage('etcdserverpb.PutRequest');
    expect(put?.fields.map(({ name }) => name).slice(0, 3)).toEqual(['key', 'value', 'lease']);
    expect(answers.map((one) => one?.$case)).toEqual([
      ...new Array(5).fill('fileDescriptorResponse'),
      'allExtensionNumbersResponse',
    ]);
  });

  it('says what it does not find, and goes on', async () => {
    const extension = { containingType: 'mvccpb.KeyValue', extensionNumber: 7 };
    const answers = await reflect('v1', [
      symbol('no.such.Thing'),
      { $case: 'fileByFilename', value: 'etc/passwd' },
      { $case: 'fileContainingExtension', value: extension },
      { $case: 'allExtensionNumbersOfType', value: 'no.such.Thing' },
      symbol('mvccpb.Event'),
    ]);
    const codes = answers.map((one) =>
      one?.$case === 'errorResponse' ? one.value.errorCode : one?.$case,
    );
    expect(codes).toEqual([5, 5, 5, 5, 'fileDescriptorResponse']);
  });
});

describe('health', () => {
  it('is that of the member', async () => {
    const ask = async (service: string) => {
      const request = encode(HealthCheckRequest, { service });
      const answer = await client.unary('/grpc.health.v1.Health/Check', request);
      return HealthCheckResponse.decode(answer).status;
    };
    expect(await ask('etcdserverpb.KV')).toBe(HealthCheckResponse_ServingStatus.SERVING);
    door.slot.fail('the disk is gone');
    expect(await ask('')).toBe(HealthCheckResponse_ServingStatus.NOT_SERVING);
  });
});
