// The fields of etcd's messages by their names and numbers, out of the generated descriptors: what
// the gateway needs to turn JSON into messages and back, and no more. It is loaded at the first
// request, because a member that starts need not wait for a library that most never ask for.

import {
  createFileRegistry,
  type DescEnum,
  type DescField,
  type DescMessage,
  type DescMethod,
  fromBinary,
  ScalarType,
} from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { must, violated } from '@holdfast/base/assert';
import { etcdDescriptorSet } from '@holdfast/proto/etcd-descriptors';

export type ScalarKind = 'bool' | 'string' | 'bytes' | 'uint32' | 'int64' | 'uint64';

export type EnumShape = {
  readonly kind: 'enum';
  readonly numbers: ReadonlyMap<string, number>;
  readonly names: ReadonlyMap<number, string>;
};

export type FieldType =
  | { readonly kind: ScalarKind }
  | EnumShape
  | { readonly kind: 'message'; readonly message: MessageShape };

export type FieldShape = {
  readonly number: number;
  /** As the .proto file has it: what answers say. */
  readonly name: string;
  /** In camelCase: taken as well. */
  readonly jsonName: string;
  /** For complaints: `package.Message.field`. */
  readonly fullName: string;
  readonly type: FieldType;
  readonly isRepeated: boolean;
  /** Of several of which one is set. A zero is then something else than nothing. */
  readonly oneof: string | undefined;
};

export type MessageShape = {
  readonly name: string;
  /** By ascending numbers. */
  readonly fields: readonly FieldShape[];
  /** Where a field of this number or name stands among them. */
  readonly byNumber: ReadonlyMap<number, number>;
  readonly byName: ReadonlyMap<string, FieldShape>;
};

export type MethodShape = {
  readonly request: MessageShape;
  readonly response: MessageShape;
  readonly isClientStreaming: boolean;
  readonly isStreaming: boolean;
};

/** The methods at `paths`, each `/package.Service/Method`. */
export function methodShapes(paths: Iterable<string>): ReadonlyMap<string, MethodShape> {
  const set = fromBinary(FileDescriptorSetSchema, Buffer.from(etcdDescriptorSet, 'base64'));
  const registry = createFileRegistry(set);
  const messages = new Map<string, MessageShape>();
  const methods = new Map<string, MethodShape>();
  for (const path of paths) {
    const [, service = '', name] = path.split('/');
    const method = registry.getService(service)?.methods.find((one) => one.name === name);
    methods.set(path, methodShape(must(method, `${path} is a method of etcd`), messages));
  }
  return methods;
}

type Messages = Map<string, MessageShape>;

function methodShape(method: DescMethod, messages: Messages): MethodShape {
  const { methodKind } = method;
  const isClientStreaming = methodKind === 'client_streaming' || methodKind === 'bidi_streaming';
  return {
    request: messageShape(method.input, messages),
    response: messageShape(method.output, messages),
    isClientStreaming,
    isStreaming: methodKind !== 'unary',
  };
}

/** A message may hold itself, as a transaction does: it is known before its fields are. */
function messageShape({ typeName, fields: all }: DescMessage, messages: Messages): MessageShape {
  const known = messages.get(typeName);
  if (known) return known;
  const fields: FieldShape[] = [];
  const byNumber = new Map<number, number>();
  const byName = new Map<string, FieldShape>();
  const shape: MessageShape = { name: typeName, fields, byNumber, byName };
  messages.set(typeName, shape);
  for (const field of [...all].sort((a, b) => a.number - b.number)) {
    const one = fieldShape(field, messages);
    byNumber.set(one.number, fields.length);
    byName.set(one.name, one).set(one.jsonName, one);
    fields.push(one);
  }
  return shape;
}

const fieldShape = (field: DescField, messages: Messages): FieldShape => ({
  number: field.number,
  name: field.name,
  jsonName: field.jsonName,
  fullName: `${field.parent.typeName}.${field.name}`,
  type: typeOf(field, messages),
  isRepeated: field.fieldKind === 'list',
  oneof: field.oneof?.name,
});

function typeOf(field: DescField, messages: Messages): FieldType {
  if (field.message) return { kind: 'message', message: messageShape(field.message, messages) };
  if (field.enum) return enumShape(field.enum);
  const kind = field.fieldKind === 'map' ? undefined : kinds[field.scalar as ScalarType];
  return kind ? { kind } : violated(`etcd's messages have no such field as ${field.name}`);
}

const kinds: Partial<Record<ScalarType, ScalarKind>> = {
  [ScalarType.BOOL]: 'bool',
  [ScalarType.STRING]: 'string',
  [ScalarType.BYTES]: 'bytes',
  [ScalarType.UINT32]: 'uint32',
  [ScalarType.INT64]: 'int64',
  [ScalarType.UINT64]: 'uint64',
};

const enumShape = ({ values }: DescEnum): EnumShape => ({
  kind: 'enum',
  numbers: new Map(values.map(({ name, number }) => [name, number])),
  names: new Map(values.map(({ name, number }) => [number, name])),
});
