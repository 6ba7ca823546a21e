// Goal: an announcement comes back as it was, and what is none is none.
import { utf8 } from '@holdfast/base/bytes';
import { expect, it } from 'vitest';

import { decodeAnnouncement, encodeAnnouncement } from './announced-member.ts';

it('comes back as it was, ids of 64 bits among it', () => {
  const announced = {
    ...{ id: 2n ** 64n - 1n, peerAddresses: ['n4:4654', '[::1]:4654'] },
    ...{ isLearner: true, memberId: 2n ** 63n + 1n },
  };
  expect(decodeAnnouncement(encodeAnnouncement(announced))).toEqual(announced);
});

it('is none where it is something else', () => {
  for (const text of ['', '{}', '[]', 'null', '{"id":"x","peerAddresses":[],"memberId":"0"}']) {
    expect(decodeAnnouncement(utf8(text))).toBeUndefined();
  }
});
