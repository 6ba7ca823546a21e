// Goal: nobody edits generated code, and nobody edits a .proto file without generating.
// Method: generate into a temporary folder and compare every file.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const packageRoot = join(dirname(fileURLToPath(import.meta.url)), '..');
const buf = join(packageRoot, '../../node_modules/.bin/buf');
const generated = ['src/generated/etcd', 'src/generated/holdfast'];

function readFolder(folder: string): Record<string, string> {
  const names = readdirSync(folder).sort();
  return Object.fromEntries(names.map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
}

describe('generated code', () => {
  it('equals what the .proto files generate', { timeout: 60_000 }, () => {
    const output = mkdtempSync(join(tmpdir(), 'holdfast-proto-'));
    try {
      execFileSync(buf, ['generate', '-o', output], { cwd: packageRoot, stdio: 'pipe' });
      for (const folder of generated) {
        const fresh = readFolder(join(output, folder));
        expect(Object.keys(fresh).length).toBeGreaterThan(3);
        expect(readFolder(join(packageRoot, folder)), 'run: npm run proto').toEqual(fresh);
      }
    } finally {
      rmSync(output, { recursive: true, force: true });
    }
  });
});
