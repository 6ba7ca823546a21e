// A stand-in for `holdfast start`, for the tests of `holdfast dev`: listens on its client address,
// says that it is ready, and ends with its parent. Those that FAKE_MEMBER_DIES and
// FAKE_MEMBER_REMOVED name end at once, with words.
import { createServer } from 'node:http';

const flag = (name) => process.argv[process.argv.indexOf(name) + 1] ?? '';
const [host, port] = flag('--listen-client').split(':');

if (process.env.FAKE_MEMBER_DIES === flag('--name')) {
  process.stderr.write('the data directory belongs to another cluster\n');
  process.exit(10);
}
if (process.env.FAKE_MEMBER_REMOVED?.split(',').includes(flag('--name'))) {
  const msg = `member ${flag('--name')} was removed from the cluster`;
  process.stderr.write(`${JSON.stringify({ level: 'fatal', code: 'removed', msg })}\n`);
  process.stderr.write(`${JSON.stringify({ level: 'info', msg: 'stopped' })}\n`);
  process.exit(10);
}
const server = createServer((_request, response) => response.end('ok\n'));
server.listen(Number(port), host);
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
process.on('SIGTERM', () => process.exit(0));
