// The wire for each protocol.
import { FrameWire } from './frame-wire.ts';
import { HttpWire } from './http-wire.ts';
import type { Wire, WireOptions } from './wire.ts';

export function openWire(options: WireOptions): Wire {
  return options.plan.by === 'frames' ? new FrameWire(options) : new HttpWire(options);
}
