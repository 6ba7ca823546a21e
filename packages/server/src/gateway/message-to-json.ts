// JSON out of messages: names as the .proto files have them, 64 bits as text, bytes in base64,
// enums by name, and nothing of what is zero; the proto3 mapping, as etcd's own gateway writes it.
// From the bytes of a message to text without a message between: the library's way (toJson) took
// 180 ms for a value of a megabyte where this takes four, and held the event loop as long.
import { BinaryReader } from '@bufbuild/protobuf/wire';

import { unreachable } from '@holdfast/base/assert';

import type { FieldShape, FieldType, MessageShape, ScalarKind } from './message-shapes.ts';

/** The message is one of ours, so that each field that is no list stands in it once. */
export function jsonOf(shape: MessageShape, message: Uint8Array): string {
  return messageText(shape, new BinaryReader(message), message.length);
}

/** Of a message in pieces, each of which ends with a field of it; each is written as it comes. */
export class JsonOfPieces {
  readonly #shape: MessageShape;
  /** Of each field the one text, or those of its list by pieces. */
  readonly #values: (string | undefined)[] = [];
  readonly #lists: Buffer[][] = [];

  constructor(shape: MessageShape) {
    this.#shape = shape;
  }

  add(piece: Uint8Array): void {
    const values = fieldTexts(this.#shape, new BinaryReader(piece), piece.length);
    for (const [at, value] of values.entries()) {
      if (value === undefined) continue;
      if (!this.#shape.fields[at]?.isRepeated) this.#values[at] = value;
      else {
        const list = this.#lists[at] ?? [];
        list.push(Buffer.from(list.length > 0 ? `,${value}` : value));
        this.#lists[at] = list;
      }
    }
  }

  /** The whole text, in parts. */
  parts(): readonly Buffer[] {
    const parts: Buffer[] = [];
    const begin = (): string => (parts.length === 0 ? '{' : ',');
    for (const [at, field] of this.#shape.fields.entries()) {
      const [value, list] = [this.#values[at], this.#lists[at]];
      const name = (): string => `${begin()}"${field.name}":`;
      if (list) parts.push(Buffer.from(`${name()}[`), ...list, Buffer.from(']'));
      else if (value !== undefined && !isNothing(field, value)) {
        parts.push(Buffer.from(`${name()}${value}`));
      }
    }
    parts.push(Buffer.from(parts.length === 0 ? '{}' : '}'));
    return parts;
  }
}

function messageText(shape: MessageShape, reader: BinaryReader, end: number): string {
  return objectText(shape, fieldTexts(shape, reader, end));
}

function fieldTexts(
  shape: MessageShape,
  reader: BinaryReader,
  end: number,
): readonly (string | undefined)[] {
  const values: (string | undefined)[] = [];
  while (reader.pos < end) {
    const [number, wireType] = reader.tag();
    const at = shape.byNumber.get(number);
    if (at === undefined) {
      reader.skip(wireType, number); // Nobody could be told its name.
      continue;
    }
    const field = shape.fields[at] as FieldShape;
    const value = fieldText(field, reader, wireType);
    const before = values[at];
    values[at] = field.isRepeated && before !== undefined ? `${before},${value}` : value;
  }
  return values;
}

function objectText({ fields }: MessageShape, values: readonly (string | undefined)[]): string {
  let text = '{';
  for (let at = 0; at < values.length; at += 1) {
    const value = values[at];
    const field = fields[at] as FieldShape;
    if (value === undefined || isNothing(field, value)) continue;
    const separator = text.length > 1 ? ',' : '';
    text += `${separator}"${field.name}":${field.isRepeated ? `[${value}]` : value}`;
  }
  return `${text}}`;
}

/** What was written all the same. One of several, or of a list, says something by being zero. */
const isNothing = ({ type, isRepeated, oneof }: FieldShape, value: string): boolean =>
  !isRepeated && oneof === undefined && value === zeroOf(type);

function zeroOf(type: FieldType): string | undefined {
  switch (type.kind) {
    case 'message':
      return undefined;
    case 'enum':
      return `"${type.names.get(0)}"`;
    default:
      return zeros[type.kind];
  }
}

const zeros: Readonly<Record<ScalarKind, string>> = {
  bool: 'false',
  string: '""',
  bytes: '""',
  uint32: '0',
  int64: '"0"',
  uint64: '"0"',
};

const delimited = 2;

function fieldText(
  { type, isRepeated }: FieldShape,
  reader: BinaryReader,
  wireType: number,
): string {
  if (!isRepeated || wireType !== delimited || !isPackable(type)) return valueText(type, reader);
  const end = reader.uint32() + reader.pos;
  const values: string[] = [];
  while (reader.pos < end) values.push(valueText(type, reader));
  return values.join();
}

const isPackable = ({ kind }: FieldType): boolean =>
  kind !== 'message' && kind !== 'bytes' && kind !== 'string';

function valueText(type: FieldType, reader: BinaryReader): string {
  switch (type.kind) {
    case 'message': {
      const length = reader.uint32();
      return messageText(type.message, reader, reader.pos + length);
    }
    case 'enum': {
      const number = reader.int32();
      const name = type.names.get(number);
      return name === undefined ? String(number) : `"${name}"`;
    }
    case 'bytes': {
      const bytes = reader.bytes();
      return `"${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64')}"`;
    }
    case 'string':
      return JSON.stringify(reader.string());
    case 'bool':
      return String(reader.bool());
    case 'uint32':
      return String(reader.uint32());
    case 'int64':
      return `"${reader.int64()}"`;
    case 'uint64':
      return `"${reader.uint64()}"`;
    default:
      return unreachable(type);
  }
}
