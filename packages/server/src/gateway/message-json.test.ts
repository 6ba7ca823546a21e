// Goal: every message of etcd's is turned to JSON and back as the proto3 mapping says, and what
// does not fit is refused with the name of its field. Method: generated values of all messages
// beside the protobuf library, which is slow and knows the rules; by hand what etcd itself decides.
import {
  createFileRegistry,
  type DescMessage,
  fromBinary,
  fromJson,
  type JsonValue,
  toBinary,
  toJson,
} from '@bufbuild/protobuf';
import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { etcdDescriptorSet } from '@holdfast/proto/etcd-descriptors';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { GrpcStatus } from '../grpc/status.ts';
import { parseExactly } from './exact-json.ts';
import { gatewayPaths } from './gateway-paths.ts';
import { writeMessage } from './message-from-json.ts';
import { type FieldShape, type MessageShape, methodShapes } from './message-shapes.ts';
import { JsonOfPieces, jsonOf } from './message-to-json.ts';

const set = fromBinary(FileDescriptorSetSchema, Buffer.from(etcdDescriptorSet, 'base64'));
const registry = createFileRegistry(set);
const methods = methodShapes(gatewayPaths.values());

const messages = new Map<string, MessageShape>();
const collect = (shape: MessageShape): void => {
  if (messages.has(shape.name)) return;
  messages.set(shape.name, shape);
  for (const { type } of shape.fields) if (type.kind === 'message') collect(type.message);
};
for (const { request, response } of methods.values())
  for (const one of [request, response]) collect(one);

const descriptorOf = (name: string) => registry.getMessage(name) as DescMessage;
const shapeOf = (name: string) => messages.get(`etcdserverpb.${name}`) as MessageShape;

const bytesOf = (shape: MessageShape, value: unknown): Uint8Array =>
  writeMessage(shape, value, new BinaryWriter()).finish();

/** As it is in JSON, after the way through bytes. */
const around = (shape: MessageShape, json: string): unknown =>
  JSON.parse(jsonOf(shape, bytesOf(shape, parseExactly(json))));

/** In the strictest form: what the library says of it as well. */
function anyValueOf({ type }: FieldShape, depth: number): fc.Arbitrary<unknown> {
  switch (type.kind) {
    case 'message':
      return objectOf(type.message, depth - 1);
    case 'enum':
      return fc.oneof(fc.constantFrom(...type.numbers.keys()), fc.nat(20));
    case 'bool':
      return fc.boolean();
    case 'string':
      return fc.string({ unit: 'grapheme' });
    case 'bytes':
      return fc.uint8Array({ maxLength: 12 }).map((one) => Buffer.from(one).toString('base64'));
    case 'uint32':
      return fc.nat(2 ** 32 - 1);
    case 'int64':
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String);
    default:
      return fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }).map(String);
  }
}

function objectOf(shape: MessageShape, depth: number): fc.Arbitrary<object> {
  if (depth === 0) return fc.constant({});
  const fields = shape.fields.map((field) => {
    const one = anyValueOf(field, depth);
    return fc.tuple(
      fc.constantFrom(field.name, field.jsonName),
      field.isRepeated ? fc.array(one, { maxLength: 3 }) : one,
      fc.constant(field.oneof),
    );
  });
  if (fields.length === 0) return fc.constant({});
  return fc
    .subarray(fields)
    .chain((some) => fc.tuple(...some))
    .map(objectWithOneOfEach);
}

function objectWithOneOfEach(
  fields: readonly (readonly [string, unknown, string | undefined])[],
): object {
  const said = new Set<string>();
  const alone = fields.filter(([, , oneof]) => {
    const isAlone = oneof === undefined || !said.has(oneof);
    if (oneof !== undefined) said.add(oneof);
    return isAlone;
  });
  return Object.fromEntries(alone.map(([name, value]) => [name, value]));
}

const anyMessage = fc
  .constantFrom(...messages.values())
  .chain((shape) => fc.tuple(fc.constant(shape), objectOf(shape, 4)));

function* cutBetweenFields(bytes: Uint8Array, cuts: readonly boolean[]): Generator<Uint8Array> {
  const reader = new BinaryReader(bytes);
  let from = 0;
  for (let field = 0; reader.pos < bytes.length; field += 1) {
    if (cuts[field]) yield bytes.subarray(from, reader.pos);
    if (cuts[field]) from = reader.pos;
    const [number, wireType] = reader.tag();
    reader.skip(wireType, number);
  }
  yield bytes.subarray(from);
}

describe('messages and JSON', () => {
  it('are of all methods that the gateway has', () => {
    expect(methods.size).toBe(48);
    expect(messages.size).toBeGreaterThan(90);
    const streams = [...methods].filter(([, { isStreaming }]) => isStreaming);
    expect(streams.map(([path, { isClientStreaming }]) => [path, isClientStreaming])).toEqual([
      ['/etcdserverpb.Watch/Watch', true],
      ['/etcdserverpb.Lease/LeaseKeepAlive', true],
      ['/etcdserverpb.Maintenance/Snapshot', false],
      ['/v3electionpb.Election/Observe', false],
    ]);
  });

  it('are read as the library reads them, and written as it writes them', () => {
    fc.assert(
      fc.property(anyMessage, ([shape, value]) => {
        const descriptor = descriptorOf(shape.name);
        const message = fromJson(descriptor, value as JsonValue);
        const expected = toJson(descriptor, message, { useProtoFieldName: true });
        const read = fromBinary(descriptor, bytesOf(shape, value));
        expect(toJson(descriptor, read, { useProtoFieldName: true })).toEqual(expected);
        const written = jsonOf(shape, toBinary(descriptor, message));
        expect(JSON.parse(written)).toEqual(expected);
        // In the order of the fields' numbers, as etcd answers.
        expect(written).toBe(JSON.stringify(expected));
      }),
      { numRuns: 1000 },
    );
  });

  it('are written in pieces as at once, wherever they are cut between two fields', () => {
    fc.assert(
      fc.property(anyMessage, fc.array(fc.boolean()), ([shape, value], cuts) => {
        const bytes = bytesOf(shape, value);
        const json = new JsonOfPieces(shape);
        for (const piece of cutBetweenFields(bytes, cuts)) json.add(piece);
        expect(Buffer.concat([...json.parts()]).toString()).toBe(jsonOf(shape, bytes));
      }),
      { numRuns: 1000 },
    );
  });

  it('take numbers of 64 bits as text and as numbers, with every digit', () => {
    const grant = shapeOf('LeaseGrantRequest');
    for (const id of ['7587874396297832453', '9223372036854775807', '-9223372036854775808', '5']) {
      for (const json of [`{"ID":${id}}`, `{"ID":"${id}"}`]) {
        expect(around(grant, json)).toEqual({ ID: id });
      }
    }
    const remove = shapeOf('MemberRemoveRequest');
    expect(around(remove, '{"ID":18446744073709551615}')).toEqual({ ID: '18446744073709551615' });
    expect(around(grant, '{"TTL":1e2,"ID":3.0}')).toEqual({ ID: '3', TTL: '100' });
  });

  it('take both spellings, enums by name or number, and leave out nulls and what is unknown', () => {
    const range = shapeOf('RangeRequest');
    const wanted = { key: 'AA==', range_end: 'AA==', sort_order: 'DESCEND', sort_target: 'VALUE' };
    for (const json of [
      '{"key":"AA==","range_end":"AA==","sort_order":"DESCEND","sort_target":4}',
      '{"key":"AA==","rangeEnd":"AA==","sortOrder":2,"sortTarget":"VALUE"}',
      '{"key":"AA==","rangeEnd":"AA==","sortOrder":2,"sortTarget":"VALUE","limit":null,"x":{}}',
      '{"key":"AA==","rangeEnd":"AA==","sortOrder":2,"sortTarget":"VALUE","limit":0,"__proto__":5}',
    ]) {
      expect(around(range, json)).toEqual(wanted);
    }
    expect(around(range, '{"sort_order":77}')).toEqual({ sort_order: 77 });
    expect(around(range, '{"limit":1,"limit":"2"}')).toEqual({ limit: '2' });
  });

  it('take bytes in either base64, padded or not, with line breaks', () => {
    const put = shapeOf('PutRequest');
    for (const key of ['+/+/Zg==', '-_-_Zg==', '-_-_Zg', '+/+/\\r\\nZg=\\n=']) {
      expect(around(put, `{"key":"${key}"}`)).toEqual({ key: '+/+/Zg==' });
    }
    expect(around(put, '{"key":""}')).toEqual({});
  });

  it('are bytes as they were, whatever they are', () => {
    const put = shapeOf('PutRequest');
    fc.assert(
      fc.property(fc.uint8Array(), fc.constantFrom('base64', 'base64url'), (bytes, alphabet) => {
        const value = Buffer.from(bytes).toString(alphabet as BufferEncoding);
        const expected = Buffer.from(bytes).toString('base64');
        expect(around(put, JSON.stringify({ key: 'AA==', value }))).toEqual(
          bytes.length > 0 ? { key: 'AA==', value: expected } : { key: 'AA==' },
        );
      }),
    );
  });

  it('say nothing of what is zero, but for one of several', () => {
    const status = shapeOf('StatusResponse');
    const zeros = '{"version":"","dbSize":"0","leader":0,"isLearner":false,"errors":[]}';
    expect(around(status, zeros)).toEqual({});
    // A text that only looks like a zero.
    const looksZero = { version: '0', errors: ['', '0', 'false'] };
    expect(around(status, JSON.stringify(looksZero))).toEqual(looksZero);
    const compare = shapeOf('Compare');
    expect(around(compare, '{"target":"VERSION","version":"0"}')).toEqual({ version: '0' });
    expect(around(compare, '{"value":""}')).toEqual({ value: '' });
    expect(around(shapeOf('RequestOp'), '{"request_range":{}}')).toEqual({ request_range: {} });
  });
});

const refusalOf = (name: string, json: string): string => {
  try {
    bytesOf(shapeOf(name), parseExactly(json));
  } catch (error) {
    if (error instanceof GrpcStatus) return `${error.code} ${error.message}`;
    throw error;
  }
  return 'none';
};

describe('JSON that is no message', () => {
  it('is refused with the name of its field', () => {
    const of = 'RangeRequest';
    const refusals = [
      '{"key":5}',
      '{"key":1234567890123456789}',
      '{"limit":1.5}',
      '{"limit":"1e2"}',
      '{"limit":" 1"}',
      '{"limit":""}',
      '{"limit":1e400}',
      '{"limit":true}',
      '{"limit":[1]}',
      '{"limit":{}}',
      '{"limit":9223372036854775808}',
      '{"limit":"-9223372036854775809"}',
      '{"limit":1e30}',
      '{"keys_only":"true"}',
      '{"keys_only":1}',
      '{"sort_order":"DSCEND"}',
      '{"sort_order":1.5}',
      '{"sort_order":2147483648}',
      '{"key":"AA==","key":["AA=="]}',
      '{"range_end":"AA==","rangeEnd":"AA=="}',
    ].map((json) => refusalOf(of, json).replace('etcdserverpb.RangeRequest.', ''));
    const number = 'expected a whole number, not';
    const int64 = 'expected a number from -9223372036854775808 to 9223372036854775807, not';
    const order = '3 sort_order: expected one of NONE, ASCEND, DESCEND, not';
    expect(refusals).toEqual([
      '3 key: expected base64, not 5',
      '3 key: expected base64, not 1234567890123456789',
      `3 limit: ${number} 1.5`,
      `3 limit: ${number} "1e2"`,
      `3 limit: ${number} " 1"`,
      `3 limit: ${number} ""`,
      `3 limit: ${number} null`,
      `3 limit: ${number} true`,
      `3 limit: ${number} a list`,
      `3 limit: ${number} an object`,
      `3 limit: ${int64} 9223372036854775808`,
      `3 limit: ${int64} "-9223372036854775809"`,
      `3 limit: ${number} 1e+30`,
      '3 keys_only: expected true or false, not "true"',
      '3 keys_only: expected true or false, not 1',
      `${order} "DSCEND"`,
      `${order} 1.5`,
      `${order} 2147483648`,
      '3 key: expected base64, not a list',
      '3 range_end: range_end stands there twice',
    ]);
  });

  it('is refused where lists, objects or one of several are wanted', () => {
    expect(refusalOf('RangeRequest', '[]')).toContain('expected an object, not a list');
    expect(refusalOf('RangeRequest', '12345678901234567890')).toContain('expected an object');
    expect(refusalOf('TxnRequest', '{"compare":{}}')).toContain('expected a list, not an object');
    expect(refusalOf('TxnRequest', '{"compare":[null]}')).toContain('expected an object, not null');
    const both = '{"request_put":{},"requestRange":{}}';
    expect(refusalOf('RequestOp', both)).toContain('request stands there twice');
    expect(refusalOf('RequestOp', '{"request_put":{},"request_range":null}')).toBe('none');
    expect(refusalOf('MemberRemoveRequest', '{"ID":-1}')).toContain('a number from 0 to 184467');
    expect(refusalOf('MemberAddRequest', '{"peerURLs":[1234567890123456789]}')).toContain('text');
  });

  it('is refused where base64 is none', () => {
    for (const key of [
      'A',
      'AAAAA',
      'AA=',
      'AAA==',
      'AAAA=',
      '=',
      '====',
      'AA==AA==',
      'A A=',
      '!',
    ]) {
      expect(refusalOf('PutRequest', JSON.stringify({ key }))).toContain('expected base64');
    }
  });

  it('is not sent back by the megabyte', () => {
    const huge = JSON.stringify({ limit: '9'.repeat(1e6), key: '!'.repeat(1e6) });
    expect(refusalOf('RangeRequest', huge).length).toBeLessThan(200);
    expect(refusalOf('RangeRequest', `{"limit":${'9'.repeat(1e6)}}`).length).toBeLessThan(200);
  });
});
