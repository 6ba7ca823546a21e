// A caller over a scripted network, put together as the client does it, for tests.
import { HoldfastError } from '@holdfast/base/errors';
import { ManualClock } from '@holdfast/base/manual-clock';
import { SeededRandom } from '@holdfast/base/seeded-random';

import { Caller } from './caller.ts';
import { type ClientSettingsChange, defaultClientSettings, withChange } from './client-settings.ts';
import { EndpointSet } from './endpoint-set.ts';
import type { HttpPort } from './http-port.ts';
import { OneClusterHttp } from './one-cluster-http.ts';
import { RetryBudget } from './retry-budget.ts';
import { CallerInFrames, ScriptedFrames, wire } from './scripted-frames.fixture.ts';
import { type Behaviour, ScriptedHttp } from './scripted-http.fixture.ts';
import { WatchedFrames } from './watched-frames.ts';
import { WatchedHttp } from './watched-http.ts';
import { Wires } from './wires.ts';

export type TestWorld = {
  readonly network: HttpPort;
  readonly addresses: readonly string[];
  readonly clock: ManualClock;
  readonly change?: ClientSettingsChange;
  /** Asks each endpoint for its cluster first. */
  readonly isMeeting?: boolean;
};

export function callerOn({ network, addresses, clock, change = {}, isMeeting }: TestWorld) {
  const random = new SeededRandom(1);
  const scripted = new ScriptedFrames(network, (address) => endpoints.at(address).heard());
  const now = withChange(defaultClientSettings, change);
  const settings = () => now;
  const onEnd = (address: string, reason: HoldfastError): void => scripted.drop(address, reason);
  const looks = { http: network, clock, random, settings, onEnd };
  const endpoints = new EndpointSet(addresses, looks);
  const budget = new RetryBudget({ clock, settings: () => now.retries });
  const watched = new WatchedHttp(network, endpoints);
  const http = isMeeting ? new OneClusterHttp(watched, endpoints) : watched;
  const isFramed = wire.isFramed && !isMeeting;
  const frames = isFramed && new WatchedFrames(scripted, endpoints);
  const wires = new Wires({ http, frames: frames || undefined });
  const ports = { wires, endpoints, clock, random, budget };
  const caller = new (isFramed ? CallerInFrames : Caller)(settings, ports);
  const close = (): void => {
    const reason = new HoldfastError('cancelled', 'closed by the test');
    caller.close(reason);
    endpoints.close(reason);
  };
  return { endpoints, caller, budget, random, settings, http, close };
}

/** A caller over endpoints that do as the test says. */
export function scriptedCaller(behaviours: Readonly<Record<string, Behaviour>>) {
  const clock = new ManualClock();
  const network = new ScriptedHttp(behaviours);
  const addresses = Object.keys(behaviours);
  return { clock, network, ...callerOn({ network, addresses, clock }) };
}
