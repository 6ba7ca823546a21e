// `holdfast completion SHELL`: a script that completes commands and options, made from the very
// command tree, so that it cannot lag behind it.
import { Argument, type Command } from 'commander';

import type { CliContext } from '../context.ts';

type Shell = 'bash' | 'zsh' | 'fish';

/** What may follow a path of commands: `config` -> publish, get, ... and options. */
type Node = { readonly path: string; readonly words: readonly string[] };

export function addCompletionCommand(program: Command, context: CliContext): void {
  program
    .command('completion')
    .description('print a completion script for your shell')
    .addArgument(new Argument('<shell>').choices(['bash', 'zsh', 'fish']))
    .addHelpText(
      'after',
      `
Examples:
  source <(holdfast completion bash)
  holdfast completion zsh > "\${fpath[1]}/_holdfast"
  holdfast completion fish > ~/.config/fish/completions/holdfast.fish
`,
    )
    .action(async (shell: Shell) => {
      await context.terminal.out(completionScript(program, shell));
    });
}

export function completionScript(program: Command, shell: Shell): string {
  const nodes = nodesOf(program, '');
  if (shell === 'fish') return fishScript(nodes);
  return shell === 'bash' ? bashScript(nodes) : zshScript(nodes);
}

function nodesOf(command: Command, path: string): readonly Node[] {
  const children = command.commands.filter((child) => child.name() !== 'help');
  const options = command.options.filter((option) => !option.hidden);
  const words = [
    ...children.map((child) => child.name()),
    ...options.flatMap((option) => option.long ?? []),
    '--help',
  ];
  return [
    { path, words },
    ...children.flatMap((child) => nodesOf(child, `${path} ${child.name()}`.trim())),
  ];
}

/** The words so far that are commands make the path; options and their values are passed over. */
function cases(nodes: readonly Node[]): string {
  return nodes.map(({ path, words }) => `    "${path}") words="${words.join(' ')}" ;;`).join('\n');
}

const commandNames = (nodes: readonly Node[]): string =>
  nodes
    .filter(({ path }) => path !== '')
    .map(({ path }) => `"${path}"`)
    .join('|');

const bashScript = (nodes: readonly Node[]): string => `# holdfast completion for bash
_holdfast() {
  local path="" words="" word
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "\${path:+$path }$word" in
      ${commandNames(nodes)}) path="\${path:+$path }$word" ;;
    esac
  done
  case "$path" in
${cases(nodes)}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _holdfast holdfast
`;

const zshScript = (nodes: readonly Node[]): string => `#compdef holdfast
# holdfast completion for zsh
_holdfast() {
  local path_="" words_="" word
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "\${path_:+$path_ }$word" in
      ${commandNames(nodes)}) path_="\${path_:+$path_ }$word" ;;
    esac
  done
  case "$path_" in
${cases(nodes).replaceAll(' words=', ' words_=')}
  esac
  compadd -- \${(z)words_} || _files
}
_holdfast "$@"
`;

function fishScript(nodes: readonly Node[]): string {
  const lines = nodes.map(({ path, words }) => {
    const condition = path === '' ? '__fish_use_subcommand' : conditionOf(path);
    return `complete -c holdfast -n '${condition}' -a '${words.join(' ')}'`;
  });
  return `# holdfast completion for fish\n${lines.join('\n')}\n`;
}

const conditionOf = (path: string): string =>
  path
    .split(' ')
    .map((word) => `__fish_seen_subcommand_from ${word}`)
    .join('; and ');
