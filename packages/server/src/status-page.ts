// `GET /`: what one member knows of its cluster, as one plain page until the console comes. Built
// on the server and complete without scripts; a few lines of script replace the body every two
// seconds. No request leaves the member, and everything that is shown is escaped.
import { formatId } from '@holdfast/base/ids';
import type { EngineStatus, PeerStatus, RecoveryPhase } from '@holdfast/engine/engine';

export type StatusPageView = {
  /** Undefined while the member starts. */
  readonly status: EngineStatus | undefined;
  readonly phases: readonly RecoveryPhase[];
  readonly notReadyReason: string | undefined;
  /** `host:port` for the commands. */
  readonly clientAddress: string;
};

export function statusPage(view: StatusPageView): string {
  const name = view.status?.name ?? 'starting';
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(name)} · Holdfast</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
<main id="page">
${pageBody(view)}
</main>
<script>${script}</script>
</body>
</html>
`;
}

function pageBody(view: StatusPageView): string {
  const { status } = view;
  return [
    header(view),
    status ? factsSection(status) : '',
    status ? membersSection(status) : '',
    phasesSection(view.phases),
    tryingSection(view.clientAddress),
  ].join('\n');
}

function header({ status, notReadyReason }: StatusPageView): string {
  const state = notReadyReason === undefined ? 'serving' : 'not ready';
  const mark = notReadyReason === undefined ? 'good' : 'bad';
  const reason =
    notReadyReason === undefined ? '' : `<p class="why">${escapeHtml(notReadyReason)}</p>`;
  return `<header>
<h1>Holdfast <span class="name">${escapeHtml(status?.name ?? '')}</span></h1>
<p class="state ${mark}" role="status">${state}</p>
${reason}
</header>`;
}

function factsSection(status: EngineStatus): string {
  const missing = status.missingVoters.map((id) => memberName(status, id));
  const facts: readonly (readonly [string, string])[] = [
    ['Role', status.role],
    ['Leader', status.leader === undefined ? 'none now' : memberName(status, status.leader)],
    ['Term', count(status.term)],
    ['Revision', count(status.revision)],
    ['Keys', count(status.keys)],
    [
      'Age of the state',
      status.ageMs === undefined ? 'unknown' : `${count(Math.ceil(status.ageMs))} ms`,
    ],
    ['Missing voters', missing.length === 0 ? 'none' : missing.join(', ')],
    ['Cluster', formatId(status.clusterId)],
    ['Version', status.version],
  ];
  const items = facts.map(
    ([term, value]) => `<div><dt>${term}</dt><dd>${escapeHtml(value)}</dd></div>`,
  );
  return `<section aria-label="This member">\n<dl>${items.join('\n')}</dl>\n</section>`;
}

const memberName = (status: EngineStatus, id: bigint): string => {
  if (id === status.memberId) return status.name;
  return status.peers.find((peer) => peer.memberId === id)?.name || formatId(id);
};

function membersSection(status: EngineStatus): string {
  if (status.peers.length === 0) return '';
  return `<section aria-labelledby="members">
<h2 id="members">Members</h2>
<div class="scroll" tabindex="0" role="region" aria-labelledby="members">
<table>
<thead><tr>${columns.map((column) => `<th scope="col">${column}</th>`).join('')}</tr></thead>
<tbody>
${status.peers.map((peer) => memberRow(peer, status)).join('\n')}
</tbody>
</table>
</div>
</section>`;
}

const columns = ['Name', 'Role', 'State', 'Behind', 'Clients', 'Peers'];

function memberRow(peer: PeerStatus, status: EngineStatus): string {
  const self = peer.memberId === status.memberId ? ' <span class="quiet">(this one)</span>' : '';
  const mark = peer.reachable ? 'good' : 'bad';
  const cells = [
    `<th scope="row">${escapeHtml(peer.name || formatId(peer.memberId))}${self}</th>`,
    `<td>${escapeHtml(peer.role)}</td>`,
    `<td><span class="state ${mark}">${peer.reachable ? 'reachable' : 'not reachable'}</span></td>`,
    `<td class="number">${peer.lag === undefined ? '–' : count(peer.lag)}</td>`,
    `<td>${peer.clientAddresses.map(clientLink).join(' ') || '–'}</td>`,
    `<td>${escapeHtml(peer.peerAddresses.join(' ')) || '–'}</td>`,
  ];
  return `<tr>${cells.join('')}</tr>`;
}

/** Only what looks like an address becomes a link: it comes from a member's own settings. */
function clientLink(address: string): string {
  if (!/^[\w.[\]:-]+$/.test(address)) return escapeHtml(address);
  return `<a href="http://${escapeHtml(address)}/">${escapeHtml(address)}</a>`;
}

function phasesSection(phases: readonly RecoveryPhase[]): string {
  if (phases.length === 0) return '';
  const items = phases.map((phase) => {
    const time =
      phase.durationMs === undefined ? '' : ` · ${count(Math.ceil(phase.durationMs))} ms`;
    const progress = phase.progress === undefined ? '' : ` · ${Math.floor(phase.progress * 100)} %`;
    const detail = phase.detail === '' ? '' : ` · ${phase.detail}`;
    const text = escapeHtml(`${phase.state}${progress}${time}${detail}`);
    return `<li><b>${escapeHtml(phase.name)}</b> <span class="quiet">${text}</span></li>`;
  });
  return `<section aria-labelledby="start">
<h2 id="start">The last start</h2>
<ol>${items.join('\n')}</ol>
</section>`;
}

function tryingSection(clientAddress: string): string {
  const at = clientAddress;
  const commands = [
    `holdfast --endpoints ${at} status`,
    `holdfast --endpoints ${at} config publish app/web/server.yaml ./server.yaml`,
    `curl -X PUT --data-binary 'hello' http://${at}/v1/kv/greeting`,
    `curl -i http://${at}/v1/kv/greeting`,
    `curl -N 'http://${at}/v1/kv-watch?prefix='`,
  ];
  const lines = commands.map((command) => `<li><code>${escapeHtml(command)}</code></li>`);
  return `<section aria-labelledby="try">
<h2 id="try">Try</h2>
<ul class="commands">${lines.join('\n')}</ul>
<p class="quiet"><a href="/openapi.json">API</a> · <a href="/v1/cluster">cluster</a> ·
<a href="/v1/recovery">recovery</a> · <a href="/metrics">metrics</a></p>
</section>`;
}

/** Digits in groups of three, as people read them. */
const count = (value: number): string => value.toLocaleString('en-US').replaceAll(',', ' ');

const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export const escapeHtml = (text: string): string =>
  text.replaceAll(/[&<>"']/g, (character) => entities[character] as string);

const style = `
:root { color-scheme: light dark; --ink: #1b2430; --quiet: #5b6673; --paper: #f6f7f9;
  --card: #ffffff; --line: #dfe3e8; --good: #0b6b3a; --bad: #a8231c; --link: #0b57a8; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6eaef; --quiet: #9aa5b1;
  --paper: #12161b; --card: #1a2027; --line: #2c343d; --good: #6fd39c; --bad: #ff9a90;
  --link: #8ec2ff; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 2rem 1rem 4rem; }
header { display: flex; flex-wrap: wrap; align-items: baseline; gap: .25rem 1rem; }
h1 { font-size: 1.6rem; margin: 0; } h2 { font-size: 1.1rem; margin: 0 0 .75rem; }
.name { font-weight: 400; color: var(--quiet); } .quiet { color: var(--quiet); }
.why { flex-basis: 100%; margin: 0; }
.state { margin: 0; font-weight: 600; } .good { color: var(--good); } .bad { color: var(--bad); }
.state::before { content: "● "; } .state.bad::before { content: "▲ "; }
section { background: var(--card); border: 1px solid var(--line); border-radius: .6rem;
  padding: 1rem 1.25rem; margin-top: 1rem; }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: .9rem;
  margin: 0; }
dt { color: var(--quiet); font-size: .85rem; } dd { margin: 0; overflow-wrap: anywhere; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .4rem .9rem .4rem 0; border-top: 1px solid var(--line);
  white-space: nowrap; }
thead th { border-top: 0; color: var(--quiet); font-weight: 500; font-size: .85rem; }
tbody th { font-weight: 600; } .number { font-variant-numeric: tabular-nums; }
code { font: .9rem/1.5 ui-monospace, monospace; overflow-wrap: anywhere; }
.commands { list-style: none; padding: 0; margin: 0; }
.commands li { padding: .35rem .6rem; margin-bottom: .35rem; border: 1px solid var(--line);
  border-radius: .4rem; background: var(--paper); }
a { color: var(--link); } ol { margin: 0; padding-left: 1.4rem; }
`;

/**
 * Stops while somebody selects text or the page is hidden, so that it never works against a reader.
 */
const script = `
const page = document.getElementById('page');
setInterval(async () => {
  if (document.hidden || String(getSelection())) return;
  try {
    const text = await (await fetch('/', { headers: { accept: 'text/html' } })).text();
    const next = new DOMParser().parseFromString(text, 'text/html');
    const fresh = next.getElementById('page');
    if (fresh && fresh.innerHTML !== page.innerHTML) page.innerHTML = fresh.innerHTML;
  } catch {
    const state = page.querySelector('header .state');
    state.className = 'state bad';
    state.textContent = 'this member does not answer';
  }
}, 2000);
`;
