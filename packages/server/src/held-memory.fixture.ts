// What tests of bounds ask: how much memory is held now, without what nobody holds any more.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Twice: V8 frees the buffers that a collection found after it, in a thread of its own, and counts
 * them until then. The next collection waits for that thread.
 */
function collect(): void {
  setFlagsFromString('--expose-gc');
  const once = runInNewContext('gc') as () => void;
  once();
  once();
}

/** Bytes of buffers, in this process. */
export function heldBuffers(): number {
  collect();
  return process.memoryUsage().arrayBuffers;
}

/** Bytes of objects, in this process. */
export function heldObjects(): number {
  collect();
  return process.memoryUsage().heapUsed;
}
