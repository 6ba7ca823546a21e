// The wire for each protocol.
import { FrameWire } from './frame-wire.ts';
import { GrpcWire } from './grpc-wire.ts';
import { HttpWire } from './http-wire.ts';
import type { WireProtocol } from './load-plan.ts';
import type { Wire, WireOptions } from './wire.ts';
import { ZookeeperWire } from './zookeeper-wire.ts';

const wires: Readonly<Record<WireProtocol, new (options: WireOptions) => Wire>> = {
  http: HttpWire,
  frames: FrameWire,
  grpc: GrpcWire,
  zookeeper: ZookeeperWire,
};

export function openWire(options: WireOptions): Wire {
  return new wires[options.plan.by](options);
}
