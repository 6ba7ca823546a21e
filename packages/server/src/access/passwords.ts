// Passwords: what is kept of one, and whether another is the same. scrypt takes tens of
// milliseconds of a thread of Node's pool, which the log's writes need as well: few run at a time,
// and who comes when too many wait is told to come again (turns.ts).
import { randomBytes, scrypt, timingSafeEqual } from 'node:crypto';

import type { PasswordRecord } from '@holdfast/domain/access-record';

import { Turns } from './turns.ts';

/** OWASP's password storage cheat sheet: 16 MiB, and then two rounds of parallelization. */
const cost = { cost: 16_384, blockSize: 8, parallelization: 2 } as const;
const saltBytes = 16;
const hashBytes = 32;
/** Of the four threads that the pool has. */
const runningMax = 2;
const waitingMax = 256;
/** More than any cost that is written today takes. */
const memoryBytesMax = 64 * 1024 * 1024;

type Cost = Pick<PasswordRecord, 'cost' | 'blockSize' | 'parallelization'>;

type Hashed = Cost & { readonly salt: Uint8Array; readonly from: string };

export class Passwords {
  readonly #cost: Cost;
  readonly #turns = new Turns({ runningMax, waitingMax, what: 'passwords wait to be looked at' });

  /** Tests choose a cost of their own. */
  constructor(of: Cost = cost) {
    this.#cost = of;
  }

  /**
   * What is kept of it. `from` is where it comes from: too many from one place wait for each other,
   * and not others for them. Rejects with `resource-exhausted` while too many wait.
   */
  async keep(password: string, from = ''): Promise<PasswordRecord> {
    const salt = randomBytes(saltBytes);
    const hash = await this.#hash(password, { ...this.#cost, salt, from });
    return { algorithm: 'scrypt', ...this.#cost, salt: new Uint8Array(salt), hash };
  }

  /** In the same time whether there is a record or not: who asks does not learn which names are. */
  async matches(record: PasswordRecord | undefined, password: string, from = ''): Promise<boolean> {
    const known = record ?? { ...this.#cost, salt: new Uint8Array(saltBytes) };
    const hash = await this.#hash(password, { ...known, from });
    return record?.hash.length === hash.length && timingSafeEqual(record.hash, hash);
  }

  async #hash(password: string, { from, salt, ...of }: Hashed): Promise<Uint8Array> {
    await this.#turns.take(from);
    try {
      return await new Promise((resolve, reject) => {
        const options = { ...of, maxmem: memoryBytesMax };
        scrypt(password, salt, hashBytes, options, (error, hash) =>
          error ? reject(error) : resolve(new Uint8Array(hash)),
        );
      });
    } finally {
      this.#turns.give();
    }
  }
}
