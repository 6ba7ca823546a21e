// Faults that nobody caught become one rejection, whatever was thrown, until the watch is closed.
import { EventEmitter } from 'node:events';

import { HoldfastError } from '@holdfast/base/errors';
import { describe, expect, it } from 'vitest';

import { ProcessFaults, UncaughtFault } from './process-faults.ts';

describe('process faults', () => {
  it('reject once with the first, and never as the operating error that it was', async () => {
    const source = new EventEmitter();
    const faults = new ProcessFaults(source);
    source.emit('unhandledRejection', new HoldfastError('no-leader', 'lost'));
    source.emit('uncaughtException', 'later');
    await expect(faults.first).rejects.toThrow(UncaughtFault);
    await expect(faults.first).rejects.toThrow('lost');
    faults.close();
    expect(source.eventNames()).toEqual([]);
  });
});
