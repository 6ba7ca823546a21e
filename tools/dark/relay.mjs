// Delays what a machine hears and says over TCP, for kernels without netem: connections that come
// in for a port are led here, and each byte goes on a fixed time later, in both directions.
//
//   node relay.mjs DELAY_MS ADDRESS LISTEN_PORT:PORT...
//
// The connection itself is made at once: what is late is what is said over it. It ends with its
// standard input, and says "ready" when it listens.
import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/** So much may be on its way in one direction; its sender waits then, as behind a full window. */
const underWayBytesMax = 8 * 1024 * 1024;

const [delayText = '', address = '', ...doors] = process.argv.slice(2);
const delayMs = Number(delayText);

/** @typedef {import('node:net').Socket} Socket */

/** @param {Socket} from @param {Socket} to */
function passOn(from, to) {
  let underWay = 0;
  // Timers of one length fire in the order in which they were set, so no byte overtakes another.
  from.on('data', (chunk) => {
    underWay += chunk.length;
    if (underWay > underWayBytesMax) from.pause();
    setTimeout(() => {
      to.write(chunk, () => {
        underWay -= chunk.length;
        if (underWay <= underWayBytesMax) from.resume();
      });
    }, delayMs);
  });
  from.on('end', () => setTimeout(() => to.end(), delayMs));
  from.on('error', () => setTimeout(() => to.destroy(), delayMs));
  from.on('close', () => setTimeout(() => to.destroy(), delayMs));
}

for (const door of doors) {
  const [listenPort, port] = door.split(':').map(Number);
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    const far = connect({ port: Number(port), host: address, allowHalfOpen: true, noDelay: true });
    passOn(near, far);
    passOn(far, near);
  });
  server.listen(listenPort);
  await once(server, 'listening');
}
process.stdout.write('ready\n');
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
