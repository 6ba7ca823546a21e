// Messages out of JSON, by the names of their fields: the proto3 mapping, as etcd's own gateway
// takes it. Both spellings of a name, numbers as numbers or text, enums by name or number, bytes in
// either base64; null is as if nothing was said, and what is not known is left out.
import type { BinaryWriter } from '@bufbuild/protobuf/wire';

import { unreachable } from '@holdfast/base/assert';

import { GrpcStatus, statusCodes } from '../grpc/status.ts';
import { digitsOf } from './exact-json.ts';
import type { EnumShape, FieldShape, MessageShape, ScalarKind } from './message-shapes.ts';

/** Throws a GrpcStatus that names the field. */
export function writeMessage(
  shape: MessageShape,
  value: unknown,
  writer: BinaryWriter,
): BinaryWriter {
  const said = new Set<string>();
  for (const [name, one] of Object.entries(objectOf(shape, value))) {
    const field = shape.byName.get(name);
    if (!field || one === null) continue;
    once(said, field);
    if (field.isRepeated) writeList(field, one, writer);
    else writeField(field, one, writer);
  }
  return writer;
}

function objectOf({ name }: MessageShape, value: unknown): object {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (isObject && digitsOf(value) === undefined) return value;
  throw invalid(`${name}: expected an object, not ${shown(value)}`);
}

/** By one spelling of its name, and alone of its oneof: else one of two values would be lost. */
function once(said: Set<string>, field: FieldShape): void {
  const name = field.oneof ?? field.name;
  if (said.has(name)) throw invalid(`${field.fullName}: ${name} stands there twice`);
  said.add(name);
}

function writeList(field: FieldShape, value: unknown, writer: BinaryWriter): void {
  if (!Array.isArray(value)) throw refusal(field, 'a list', value);
  // Lists of numbers are packed, but no reader minds one that is not.
  for (const one of value) writeField(field, one, writer);
}

const [varint, delimited] = [0, 2];

function writeField(field: FieldShape, value: unknown, writer: BinaryWriter): void {
  const { type, number } = field;
  switch (type.kind) {
    case 'message':
      writeMessage(type.message, value, writer.tag(number, delimited).fork());
      writer.join();
      return;
    case 'enum':
      writer.tag(number, varint).int32(enumOf(type, field, value));
      return;
    default:
      writeScalar(type.kind, field, { value, writer });
  }
}

function writeScalar(
  kind: ScalarKind,
  field: FieldShape,
  { value, writer }: { readonly value: unknown; readonly writer: BinaryWriter },
): void {
  const { number } = field;
  switch (kind) {
    case 'bool':
      if (typeof value !== 'boolean') throw refusal(field, 'true or false', value);
      writer.tag(number, varint).bool(value);
      return;
    case 'string':
      if (typeof value !== 'string') throw refusal(field, 'text', value);
      writer.tag(number, delimited).string(value);
      return;
    case 'bytes':
      writer.tag(number, delimited).bytes(bytesOf(field, value));
      return;
    case 'uint32':
      writer.tag(number, varint).uint32(Number(integerOf(field, value, [0n, uint32Max])));
      return;
    case 'int64':
      writer.tag(number, varint).int64(integerOf(field, value, [-int64Max - 1n, int64Max]));
      return;
    case 'uint64':
      writer.tag(number, varint).uint64(integerOf(field, value, [0n, uint64Max]));
      return;
    default:
      unreachable(kind);
  }
}

const uint32Max = 2n ** 32n - 1n;
const int64Max = 2n ** 63n - 1n;
const uint64Max = 2n ** 64n - 1n;
/** More digits than any has; a million of them would take a while to be read. */
const digitsMax = 20;

function integerOf(
  field: FieldShape,
  value: unknown,
  [lowest, highest]: readonly [bigint, bigint],
): bigint {
  const integer = integer64(value);
  if (integer === undefined) throw refusal(field, 'a whole number', value);
  if (integer >= lowest && integer <= highest) return integer;
  throw refusal(field, `a number from ${lowest} to ${highest}`, value);
}

function integer64(value: unknown): bigint | undefined {
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : undefined;
  const text = typeof value === 'string' ? value : digitsOf(value);
  if (text === undefined || text.length > digitsMax || !/^-?\d+$/.test(text)) return undefined;
  return BigInt(text);
}

/** A number that has no name is a member's of a later version, and the service's to refuse. */
function enumOf({ numbers }: EnumShape, field: FieldShape, value: unknown): number {
  const number = typeof value === 'string' ? numbers.get(value) : value;
  if (typeof number === 'number' && number === (number | 0)) return number;
  throw refusal(field, `one of ${[...numbers.keys()].join(', ')}`, value);
}

/** Of either alphabet, with or without its padding; line breaks are skipped, as Go does. */
function bytesOf(field: FieldShape, value: unknown): Uint8Array {
  if (typeof value !== 'string') throw refusal(field, 'base64', value);
  const text =
    value.includes('\n') || value.includes('\r') ? value.replaceAll(/[\r\n]/g, '') : value;
  if (!isBase64(text)) throw refusal(field, 'base64', value);
  return Buffer.from(text, 'base64');
}

function isBase64(text: string): boolean {
  const found = /^[\w+/-]*(={0,2})$/.exec(text);
  if (!found) return false;
  return found[1] === '' ? text.length % 4 !== 1 : text.length % 4 === 0;
}

const refusal = (field: FieldShape, expected: string, value: unknown): GrpcStatus =>
  invalid(`${field.fullName}: expected ${expected}, not ${shown(value)}`);

const shownMax = 40;

/** A mistake of megabytes is not sent back. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  const digits = digitsOf(value);
  if (digits === undefined && typeof value === 'object' && value !== null) return 'an object';
  const text = digits ?? JSON.stringify(value);
  return text.length <= shownMax ? text : `${text.slice(0, shownMax)}…`;
}

const invalid = (message: string): GrpcStatus =>
  new GrpcStatus(statusCodes.invalidArgument, message);
