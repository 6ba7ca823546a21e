// The descriptors of the files in which our services stand, by the files' names and by whatever is
// named in them. Loaded when somebody asks for reflection, because the library that reads them
// would hold up each start.
import { fromBinary, toBinary } from '@bufbuild/protobuf';
import {
  type DescriptorProto,
  type EnumDescriptorProto,
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
} from '@bufbuild/protobuf/wkt';
import { etcdDescriptorSet } from '@holdfast/proto/etcd-descriptors';

export class DescriptorIndex {
  readonly #files = new Map<string, FileDescriptorProto>();
  readonly #fileOfSymbol = new Map<string, string>();

  constructor() {
    const set = fromBinary(FileDescriptorSetSchema, Buffer.from(etcdDescriptorSet, 'base64'));
    for (const file of set.file) {
      this.#files.set(file.name, file);
      for (const symbol of symbolsOf(file)) this.#fileOfSymbol.set(symbol, file.name);
    }
  }

  /**
   * The file and all that it imports, each once and encoded, whoever imports before what is
   * imported; undefined: there is none.
   */
  byName(name: string): readonly Uint8Array[] | undefined {
    if (!this.#files.has(name)) return undefined;
    const files = new Set<FileDescriptorProto>();
    this.#gather(name, files);
    return [...files].reverse().map((file) => toBinary(FileDescriptorProtoSchema, file));
  }

  /** Of a service, a method, a message, a field or an enum, with its package. */
  bySymbol(symbol: string): readonly Uint8Array[] | undefined {
    const name = this.#fileOfSymbol.get(symbol);
    return name === undefined ? undefined : this.byName(name);
  }

  hasMessage(name: string): boolean {
    return this.#fileOfSymbol.has(name);
  }

  /** Behind all that it imports. */
  #gather(name: string, files: Set<FileDescriptorProto>): void {
    const file = this.#files.get(name) as FileDescriptorProto;
    for (const other of file.dependency) this.#gather(other, files);
    files.add(file);
  }
}

function* symbolsOf(file: FileDescriptorProto): Generator<string> {
  const { package: scope } = file;
  for (const service of file.service) {
    yield `${scope}.${service.name}`;
    for (const method of service.method) yield `${scope}.${service.name}.${method.name}`;
  }
  for (const message of file.messageType) yield* symbolsOfMessage(message, scope);
  for (const one of file.enumType) yield* symbolsOfEnum(one, scope);
}

function* symbolsOfMessage(message: DescriptorProto, scope: string): Generator<string> {
  const name = `${scope}.${message.name}`;
  yield name;
  for (const field of message.field) yield `${name}.${field.name}`;
  for (const choice of message.oneofDecl) yield `${name}.${choice.name}`;
  for (const nested of message.nestedType) yield* symbolsOfMessage(nested, name);
  for (const one of message.enumType) yield* symbolsOfEnum(one, name);
}

/** An enum's values are named beside it. */
function* symbolsOfEnum({ name, value }: EnumDescriptorProto, scope: string): Generator<string> {
  yield `${scope}.${name}`;
  for (const one of value) yield `${scope}.${one.name}`;
}
