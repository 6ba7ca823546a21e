// Goal: an error comes back from the wire as it was meant, and what is no error document is judged
// with care. Method: documents and other bodies by hand.
import { utf8 } from '@holdfast/base/bytes';
import { describe, expect, it } from 'vitest';

import { errorOf } from './errors.ts';

describe('errorOf', () => {
  it('takes a problem document as the server means it', () => {
    const problem = {
      type: 'urn:holdfast:error:no-quorum',
      title: 'No majority',
      status: 503,
      detail: 'two of three voters are away',
      code: 'no-quorum',
      outcome: 'not-applied',
      retryable: true,
      missingVoters: ['n2', 'n3'],
    };
    const error = errorOf(503, utf8(JSON.stringify(problem)));
    expect(error.code).toBe('no-quorum');
    expect(error.message).toBe('two of three voters are away');
    expect(error.outcome).toBe('not-applied');
    expect(error.details).toEqual({ missingVoters: ['n2', 'n3'] });
  });

  it('judges what is no problem document by its status, and a failing server as unknown', () => {
    expect(errorOf(404, utf8('<html>'))).toMatchObject({
      code: 'not-found',
      outcome: 'not-applied',
    });
    expect(errorOf(502, utf8('Bad Gateway'))).toMatchObject({
      code: 'internal',
      outcome: 'unknown',
    });
    expect(errorOf(503, utf8('{"code":"no-such-code"}'))).toMatchObject({
      code: 'unavailable',
      outcome: 'unknown',
    });
  });
});
