// Whether the rig for the dark (tools/dark) can be built here: it needs root, network namespaces,
// iproute2 and nftables. Tries each of them, in a namespace that it removes again, and has one
// sentence for what is missing.
import { spawnSync } from 'node:child_process';
import { installDebian } from './debian-packages.mjs';

/** What the rig needs beside Node, as Debian calls it. */
export const darkPackages = ['iproute2', 'nftables'];

const rate = ['rate', '1mbit', 'burst', '16kb', 'latency', '250ms'];

/** What must work in a namespace, and the sentence for where it does not. */
const needs = [
  {
    command: ['ip', 'link', 'add', 'name', 'br0', 'type', 'bridge'],
    why: 'the kernel makes no bridge in a network namespace',
  },
  {
    command: ['ip', 'link', 'add', 'name', 'p0', 'type', 'veth', 'peer', 'name', 'p1'],
    why: 'the kernel makes no pair of virtual cards',
  },
  {
    command: ['nft', '-f', '-'],
    input: `table bridge probe {
      chain forward {
        type filter hook forward priority 0;
        numgen random mod 2 < 1 counter drop
      }
    }\n`,
    why: 'the kernel has no nftables for bridges',
  },
  {
    command: ['tc', 'qdisc', 'add', 'dev', 'br0', 'root', 'tbf', ...rate],
    why: 'the kernel limits no rates (tbf)',
  },
  {
    command: ['nft', '-f', '-'],
    input: `table ip probe {
      chain arrive {
        type nat hook prerouting priority dstnat;
        tcp dport 1 redirect to :2
      }
    }\n`,
    why: 'the kernel redirects no connections',
  },
];

/** @returns {string | undefined} why there can be no rig, or undefined where there can */
export function whyNoDark() {
  if (process.platform !== 'linux') return 'network namespaces are a matter of Linux';
  if (process.getuid?.() !== 0) return 'only root may make network namespaces';
  const missing = missingPackages();
  if (missing.length > 0) return `it needs ${missing.join(' and ')} (apt-get install them)`;
  const probe = `hf-dark-${process.pid}-0-probe`;
  if (!works(['ip', 'netns', 'add', probe])) return 'this root may not make network namespaces';
  try {
    return needs.find(({ command, input }) => !works(inside(probe, command), input))?.why;
  } finally {
    works(['ip', 'netns', 'delete', probe]);
  }
}

/** @returns {readonly string[]} */
function missingPackages() {
  const commands = [
    { command: ['ip', '-V'], of: 'iproute2' },
    { command: ['tc', '-V'], of: 'iproute2' },
    { command: ['nft', '-v'], of: 'nftables' },
  ];
  return [...new Set(commands.filter(({ command }) => !works(command)).map(({ of }) => of))];
}

/** A failure is not told here: `whyNoDark` will say what is still not there. */
export function installDarkPackages() {
  if (missingPackages().length > 0) installDebian(darkPackages, 'the rig of tools/dark');
}

/** @param {string} namespace @param {readonly string[]} command */
const inside = (namespace, command) => ['ip', 'netns', 'exec', namespace, ...command];

/** @param {readonly string[]} command @param {string} [input] */
function works([program = '', ...args], input = '') {
  return spawnSync(program, args, { input, timeout: 10_000 }).status === 0;
}
