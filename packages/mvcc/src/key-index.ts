// The ordered index of one keyspace: a B+tree from key text to a number. The number is the key's
// slot and whether the key is alive now (a deleted key stays until compaction takes it), and every
// node knows how many living keys are under it, so that counting a range does not walk it.
import { assert } from '@holdfast/base/assert';

/**
 * One shape for leaves and branches keeps property access fast; `children` is undefined in a leaf.
 */
type TreeNode = {
  /** Leaf: its keys. Branch: the smallest key of each child but the first. */
  readonly keys: string[];
  readonly values: number[];
  readonly children: TreeNode[] | undefined;
  live: number;
};

const fanoutMax = 64;

const newLeaf = (keys: string[], values: number[]): TreeNode => ({
  keys,
  values,
  children: undefined,
  live: countLive(values),
});

const newBranch = (keys: string[], children: TreeNode[]): TreeNode => ({
  keys,
  values: [],
  children,
  live: children.reduce((sum, child) => sum + child.live, 0),
});

export type KeyVisitor = (slot: number, live: boolean, key: string) => boolean;

export class KeyIndex {
  #root: TreeNode = newLeaf([], []);
  #size = 0;
  // What the last descent of #set reports beside the new right sibling.
  #liveDelta = 0;
  #separator = '';

  /** Keys that have a slot, alive or deleted. */
  get size(): number {
    return this.#size;
  }

  get live(): number {
    return this.#root.live;
  }

  /** The key's slot, or -1. */
  slot(key: string): number {
    let node = this.#root;
    while (node.children) node = node.children[upperBound(node.keys, key)] as TreeNode;
    const at = lowerBound(node.keys, key);
    return node.keys[at] === key ? (node.values[at] as number) >>> 1 : -1;
  }

  /** Gives the key a slot, or changes what is known of it. */
  set(key: string, slot: number, live: boolean): void {
    this.#liveDelta = 0;
    const right = this.#set(this.#root, key, slot * 2 + (live ? 1 : 0));
    if (right) this.#root = newBranch([this.#separator], [this.#root, right]);
  }

  /** Takes a deleted key out. */
  delete(key: string): void {
    this.#delete(this.#root, key);
    const children = this.#root.children;
    if (children?.length === 1) this.#root = children[0] as TreeNode;
    if (children?.length === 0) this.#root = newLeaf([], []);
  }

  /** Living keys in [lo, hi), without visiting them. */
  countLive(lo: string, hi: string | undefined): number {
    if (hi !== undefined && hi <= lo) return 0;
    return (hi === undefined ? this.#root.live : this.#rank(hi)) - this.#rank(lo);
  }

  /**
   * Visits [lo, hi) in order until the visitor answers false. The visitor must not change the tree.
   */
  scan(lo: string, hi: string | undefined, visit: KeyVisitor): void {
    scanNode(this.#root, { lo, hi, visit });
  }

  #set(node: TreeNode, key: string, value: number): TreeNode | undefined {
    if (!node.children) return this.#setInLeaf(node, key, value);
    const at = upperBound(node.keys, key);
    const right = this.#set(node.children[at] as TreeNode, key, value);
    node.live += this.#liveDelta;
    if (!right) return undefined;
    node.keys.splice(at, 0, this.#separator);
    node.children.splice(at + 1, 0, right);
    return node.children.length > fanoutMax ? this.#splitBranch(node) : undefined;
  }

  #setInLeaf(leaf: TreeNode, key: string, value: number): TreeNode | undefined {
    const at = lowerBound(leaf.keys, key);
    if (leaf.keys[at] === key) {
      this.#liveDelta = (value & 1) - ((leaf.values[at] as number) & 1);
      leaf.values[at] = value;
    } else {
      this.#liveDelta = value & 1;
      this.#size += 1;
      insertAt(leaf.keys, at, key);
      insertAt(leaf.values, at, value);
    }
    leaf.live += this.#liveDelta;
    return leaf.keys.length > fanoutMax ? this.#splitLeaf(leaf, at) : undefined;
  }

  #splitLeaf(leaf: TreeNode, insertedAt: number): TreeNode {
    // Keys that come in order leave full leaves behind them, not half-empty ones.
    const half = insertedAt === leaf.keys.length - 1 ? fanoutMax : fanoutMax >>> 1;
    const right = newLeaf(leaf.keys.splice(half), leaf.values.splice(half));
    leaf.live -= right.live;
    this.#separator = right.keys[0] as string;
    return right;
  }

  #splitBranch(node: TreeNode): TreeNode {
    const children = node.children as TreeNode[];
    const half = children.length >>> 1;
    const keys = node.keys.splice(half - 1);
    this.#separator = keys.shift() as string;
    const right = newBranch(keys, children.splice(half));
    node.live -= right.live;
    return right;
  }

  #delete(node: TreeNode, key: string): void {
    if (!node.children) {
      const at = lowerBound(node.keys, key);
      assert(node.keys[at] === key, 'a key that is taken out is in the index');
      assert(((node.values[at] as number) & 1) === 0, 'a key that is taken out is deleted');
      node.keys.splice(at, 1);
      node.values.splice(at, 1);
      this.#size -= 1;
      return;
    }
    const at = upperBound(node.keys, key);
    const child = node.children[at] as TreeNode;
    this.#delete(child, key);
    if (child.children ? child.children.length > 0 : child.keys.length > 0) return;
    node.children.splice(at, 1);
    node.keys.splice(Math.max(0, at - 1), 1);
  }

  /** Living keys below `key`. */
  #rank(key: string): number {
    let rank = 0;
    let node = this.#root;
    while (node.children) {
      const at = upperBound(node.keys, key);
      for (let n = 0; n < at; n += 1) rank += (node.children[n] as TreeNode).live;
      node = node.children[at] as TreeNode;
    }
    const at = lowerBound(node.keys, key);
    for (let n = 0; n < at; n += 1) rank += (node.values[n] as number) & 1;
    return rank;
  }

  /** Whole-tree check for tests: order, separators, live counts. */
  validate(): void {
    assert(validateNode(this.#root, '', undefined) === this.#size, 'size counts the keys');
  }
}

type Scan = {
  readonly lo: string;
  readonly hi: string | undefined;
  readonly visit: KeyVisitor;
};

/** Answers false when the scan is to end. */
function scanNode(node: TreeNode, scan: Scan): boolean {
  if (!node.children) return scanLeaf(node, scan);
  for (let at = upperBound(node.keys, scan.lo); at < node.children.length; at += 1) {
    if (!scanNode(node.children[at] as TreeNode, scan)) return false;
  }
  return true;
}

function scanLeaf(leaf: TreeNode, { lo, hi, visit }: Scan): boolean {
  for (let at = lowerBound(leaf.keys, lo); at < leaf.keys.length; at += 1) {
    const key = leaf.keys[at] as string;
    if (hi !== undefined && key >= hi) return false;
    const value = leaf.values[at] as number;
    if (!visit(value >>> 1, (value & 1) === 1, key)) return false;
  }
  return true;
}

/** The first place whose key is at or above `key`. */
function lowerBound(keys: readonly string[], key: string): number {
  let lo = 0;
  let hi = keys.length;
  while (lo < hi) {
    const middle = (lo + hi) >>> 1;
    if ((keys[middle] as string) < key) lo = middle + 1;
    else hi = middle;
  }
  return lo;
}

/** The first place whose key is above `key`. */
function upperBound(keys: readonly string[], key: string): number {
  let lo = 0;
  let hi = keys.length;
  while (lo < hi) {
    const middle = (lo + hi) >>> 1;
    if ((keys[middle] as string) <= key) lo = middle + 1;
    else hi = middle;
  }
  return lo;
}

/** Array.splice for one item, without the array that splice answers. */
function insertAt<T>(items: T[], at: number, item: T): void {
  items.push(item);
  for (let n = items.length - 1; n > at; n -= 1) items[n] = items[n - 1] as T;
  items[at] = item;
}

function countLive(values: readonly number[]): number {
  let live = 0;
  for (const value of values) live += value & 1;
  return live;
}

function validateNode(node: TreeNode, lo: string, hi: string | undefined): number {
  for (let at = 0; at < node.keys.length; at += 1) {
    const key = node.keys[at] as string;
    assert(at === 0 || (node.keys[at - 1] as string) < key, 'keys of a node ascend');
    assert(key >= lo && (hi === undefined || key < hi), 'keys of a node lie in its range');
  }
  if (!node.children) {
    assert(node.live === countLive(node.values), 'a leaf counts its living keys');
    return node.keys.length;
  }
  assert(node.children.length === node.keys.length + 1, 'separators stand between children');
  let size = 0;
  let live = 0;
  node.children.forEach((child, at) => {
    size += validateNode(child, at === 0 ? lo : (node.keys[at - 1] as string), node.keys[at] ?? hi);
    live += child.live;
  });
  assert(node.live === live, 'a branch counts the living keys of its children');
  return size;
}
