// A plugin of `buf generate`: what protoc-gen-ts_proto generates, made strict. Its decoders end a
// message in silence where no field can begin, read on in the middle of what they left, and pass by
// a known field of another type; here they throw (src/strict-decoding.ts), as etcd's do.
import { execFileSync } from 'node:child_process';
import { dirname, relative } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';

import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { CodeGeneratorResponseSchema } from '@bufbuild/protobuf/wkt';

const generator = fileURLToPath(
  new URL('../../node_modules/.bin/protoc-gen-ts_proto', import.meta.url),
);
/** Where a message ends in silence, and how it is answered. */
const lax = {
  field: /if \(\(tag & 7\) === 4 \|\| tag === 0\) \{\s+break;\s+\}\s+reader\.skip\(tag & 7\);/g,
  end: /return message;\n(\s+)\} finally/g,
};

const options = { input: await buffer(process.stdin), maxBuffer: 1024 ** 3 };
const response = fromBinary(CodeGeneratorResponseSchema, execFileSync(generator, options));
const file = response.file.map((one) => ({ ...one, content: strict(one) }));
process.stdout.write(
  toBinary(CodeGeneratorResponseSchema, create(CodeGeneratorResponseSchema, { ...response, file })),
);

function strict({ name, content }) {
  const decoders = content.match(/const end = length === undefined/g)?.length ?? 0;
  for (const [what, pattern] of Object.entries(lax)) {
    const found = content.match(pattern)?.length ?? 0;
    if (found !== decoders) {
      throw new Error(`${name}: ${decoders} decoders, ${found} of the known shape (${what})`);
    }
  }
  if (decoders === 0) return content;
  const helper = `${relative(dirname(name), '..') || '.'}/strict-decoding.ts`;
  return content
    .replace(lax.field, 'skipUnknown(reader, tag);')
    .replace(/if \(tag !== (\d+)\) \{\s+break;\s+\}\n/g, 'requireTag(tag, $1);')
    .replace(lax.end, 'requireEnd(reader, end);\n$1  return message;\n$1} finally')
    .replace(
      /(import \{ BinaryReader.*\n)/,
      `$1import { requireEnd, requireTag, skipUnknown } from "${helper}";\n`,
    );
}
