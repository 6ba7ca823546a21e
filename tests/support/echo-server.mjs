// A server to try the network of the rig with: it sends back what it hears, over TCP.
//
//   node echo-server.mjs ADDRESS PORT
import { createServer } from 'node:net';

const [host, port] = process.argv.slice(2);
const server = createServer((socket) => {
  socket.on('error', () => socket.destroy());
  socket.pipe(socket);
});
server.listen({ host, port: Number(port) }, () => process.stdout.write('ready\n'));
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
