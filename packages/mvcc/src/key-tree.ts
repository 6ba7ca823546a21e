// The nodes of a key index, and how a whole tree is made from keys that come in order: without a
// search, and without the texts of all keys.

/**
 * One shape for leaves and branches keeps property access fast; `children` is undefined in a leaf.
 */
export type TreeNode = {
  /**
   * Leaf: its keys; undefined until somebody looks, if it was loaded. Branch: the smallest key of
   * each child but the first.
   */
  keys: string[] | undefined;
  readonly values: number[];
  readonly children: TreeNode[] | undefined;
  live: number;
};

/** The text of the key that has a slot. */
export type TextOf = (slot: number) => string;

export const fanoutMax = 64;
/** What a loaded node holds: with room to grow, so that the first new key does not split it. */
const fanoutLoaded = 48;

export const newLeaf = (keys: string[] | undefined, values: number[]): TreeNode => ({
  keys,
  values,
  children: undefined,
  live: countLive(values),
});

export const newBranch = (keys: string[], children: TreeNode[]): TreeNode => ({
  keys,
  values: [],
  children,
  live: children.reduce((sum, child) => sum + child.live, 0),
});

export function countLive(values: readonly number[]): number {
  let live = 0;
  for (const value of values) live += value & 1;
  return live;
}

/** Collects `slot * 2 + live` of each key, in the order of the keys. */
export class TreeLoader {
  readonly #leaves: TreeNode[] = [];
  #open: number[] = [];
  size = 0;

  push(value: number): void {
    this.#open.push(value);
    this.size += 1;
    if (this.#open.length === fanoutLoaded) this.#closeLeaf();
  }

  /** The root, or undefined if the keys do not ascend, as far as the first of each leaf tells. */
  finish(textOf: TextOf): TreeNode | undefined {
    if (this.#open.length > 0 || this.#leaves.length === 0) this.#closeLeaf();
    let nodes: readonly TreeNode[] = this.#leaves;
    let firsts = nodes.map(({ values }) => (values.length > 0 ? textOf(firstSlot(values)) : ''));
    if (!ascend(firsts)) return undefined;
    while (nodes.length > 1) {
      const children = nodes;
      const keys = firsts;
      const places = Array.from(
        { length: Math.ceil(children.length / fanoutLoaded) },
        (_, n) => n * fanoutLoaded,
      );
      nodes = places.map((at) =>
        newBranch(keys.slice(at + 1, at + fanoutLoaded), children.slice(at, at + fanoutLoaded)),
      );
      firsts = places.map((at) => keys[at] as string);
    }
    return nodes[0];
  }

  #closeLeaf(): void {
    this.#leaves.push(newLeaf(undefined, this.#open));
    this.#open = [];
  }
}

const firstSlot = (values: readonly number[]): number => (values[0] as number) >>> 1;

const ascend = (keys: readonly string[]): boolean =>
  keys.every((key, at) => at === 0 || (keys[at - 1] as string) < key);
