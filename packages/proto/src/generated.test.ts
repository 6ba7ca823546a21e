// Goal: nobody edits generated code, and nobody edits a .proto file without generating.
// Method: generate into a temporary folder and compare every file.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fromBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { describe, expect, it } from 'vitest';

import { etcdDescriptorSet } from './generated/etcd-descriptors.ts';

const packageRoot = join(dirname(fileURLToPath(import.meta.url)), '..');
const buf = join(packageRoot, '../../node_modules/.bin/buf');
const generated = 'src/generated';

function readFolder(folder: string): Record<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  const files = names.filter((name) => statSync(join(folder, name)).isFile());
  return Object.fromEntries(files.map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
}

describe('generated code', () => {
  it('equals what the .proto files generate', { timeout: 60_000 }, () => {
    const output = mkdtempSync(join(tmpdir(), 'holdfast-proto-'));
    try {
      execFileSync(buf, ['generate', '-o', output], { cwd: packageRoot, stdio: 'pipe' });
      const fresh = readFolder(join(output, generated));
      expect(Object.keys(fresh).length).toBeGreaterThan(11);
      expect(readFolder(join(packageRoot, generated)), 'run: npm run proto').toEqual(fresh);
    } finally {
      rmSync(output, { recursive: true, force: true });
    }
  });

  it('has the descriptors of what clients of gRPC may ask about, and of nothing else', () => {
    const { file } = fromBinary(FileDescriptorSetSchema, Buffer.from(etcdDescriptorSet, 'base64'));
    const seen = new Set<string>();
    for (const { name, dependency, sourceCodeInfo } of file) {
      expect([...dependency].filter((one) => !seen.has(one))).toEqual([]);
      expect(sourceCodeInfo).toBeUndefined();
      seen.add(name);
    }
    expect([...seen].filter((name) => !/^(etcd|grpc)\//.test(name))).toEqual([]);
    const services = file.flatMap((one) => one.service.map(({ name }) => `${one.package}.${name}`));
    expect(services.sort()).toEqual([
      'etcdserverpb.Auth',
      'etcdserverpb.Cluster',
      'etcdserverpb.KV',
      'etcdserverpb.Lease',
      'etcdserverpb.Maintenance',
      'etcdserverpb.Watch',
      'grpc.health.v1.Health',
      'grpc.reflection.v1.ServerReflection',
      'grpc.reflection.v1alpha.ServerReflection',
      'v3electionpb.Election',
      'v3lockpb.Lock',
    ]);
  });
});
