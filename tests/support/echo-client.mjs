// One TCP connection from inside a machine of the rig: sends the lines of its standard input, and
// tells with a line what happens: `connected`, `heard TEXT`, `error CODE`, `closed`.
//
//   node echo-client.mjs ADDRESS PORT
import { connect } from 'node:net';
import { createInterface } from 'node:readline';

const [host = '', port] = process.argv.slice(2);
/** @param {string} words */
const tell = (words) => process.stdout.write(`${words}\n`);

const socket = connect({ host, port: Number(port), noDelay: true }, () => tell('connected'));
const heard = createInterface({ input: socket.setEncoding('utf8') });
heard.on('line', (line) => tell(`heard ${line}`));
heard.on('error', () => undefined); // It repeats the socket's.
socket.on('error', (error) => tell(`error ${/** @type {NodeJS.ErrnoException} */ (error).code}`));
socket.on('close', () => tell('closed'));

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => socket.write(`${line}\n`));
lines.on('close', () => process.exit(0));
