// The ordered index of one keyspace: a B+tree from key text to a number. The number is the key's
// slot and whether the key is alive now (a deleted key stays until compaction takes it), and every
// node knows how many living keys are under it, so that counting a range does not walk it.
import { assert } from '@holdfast/base/assert';
import {
  countLive,
  fanoutMax,
  newBranch,
  newLeaf,
  type TextOf,
  type TreeNode,
} from './key-tree.ts';

export type KeyVisitor = (slot: number, key: string) => boolean;

export type SlotVisitor = (slot: number) => boolean;

export class KeyIndex {
  readonly #textOf: TextOf;
  #root: TreeNode;
  #size: number;
  // What the last descent of #set reports beside the new right sibling.
  #liveDelta = 0;
  #separator = '';

  /** `loaded`: a whole tree of so many keys (key-tree.ts). */
  constructor(textOf: TextOf, loaded?: { readonly root: TreeNode; readonly size: number }) {
    this.#textOf = textOf;
    this.#root = loaded?.root ?? newLeaf([], []);
    this.#size = loaded?.size ?? 0;
  }

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
    while (node.children) node = node.children[upperBound(this.#keys(node), key)] as TreeNode;
    const keys = this.#keys(node);
    const at = lowerBound(keys, key);
    return keys[at] === key ? (node.values[at] as number) >>> 1 : -1;
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
    this.#scan(this.#root, { lo, hi, visit, isLivingOnly: false });
  }

  /**
   * As `scan`, of living keys alone: it passes by whole nodes of deleted ones, of which there may
   * be any number before they are compacted.
   */
  scanLiving(lo: string, hi: string | undefined, visit: SlotVisitor): void {
    this.#scan(this.#root, { lo, hi, visit, isLivingOnly: true });
  }

  /** Visits the slots of [lo, end) in order, without making texts of all their keys. */
  scanSlots(lo: string, visit: SlotVisitor): void {
    this.#scanSlots(this.#root, lo, visit);
  }

  /** The node's keys; those of a leaf that was loaded are made when they are first needed. */
  #keys(node: TreeNode): string[] {
    node.keys ??= node.values.map((value) => this.#textOf(value >>> 1));
    return node.keys;
  }

  /** Answers false when the scan is to end. */
  #scan(node: TreeNode, scan: Scan): boolean {
    if (scan.isLivingOnly && node.live === 0) return true;
    if (!node.children) return scanLeaf(node.values, this.#keys(node), scan);
    for (let at = upperBound(this.#keys(node), scan.lo); at < node.children.length; at += 1) {
      if (!this.#scan(node.children[at] as TreeNode, scan)) return false;
    }
    return true;
  }

  #scanSlots(node: TreeNode, lo: string, visit: SlotVisitor): boolean {
    if (!node.children) {
      let at = lo === '' ? 0 : lowerBound(this.#keys(node), lo);
      for (; at < node.values.length; at += 1) {
        if (!visit((node.values[at] as number) >>> 1)) return false;
      }
      return true;
    }
    const first = upperBound(this.#keys(node), lo);
    for (let at = first; at < node.children.length; at += 1) {
      // Only the first child may begin before `lo`.
      const child = node.children[at] as TreeNode;
      if (!this.#scanSlots(child, at === first ? lo : '', visit)) return false;
    }
    return true;
  }

  #set(node: TreeNode, key: string, value: number): TreeNode | undefined {
    if (!node.children) return this.#setInLeaf(node, key, value);
    const keys = this.#keys(node);
    const at = upperBound(keys, key);
    const right = this.#set(node.children[at] as TreeNode, key, value);
    node.live += this.#liveDelta;
    if (!right) return undefined;
    keys.splice(at, 0, this.#separator);
    node.children.splice(at + 1, 0, right);
    return node.children.length > fanoutMax ? this.#splitBranch(node) : undefined;
  }

  #setInLeaf(leaf: TreeNode, key: string, value: number): TreeNode | undefined {
    const keys = this.#keys(leaf);
    const at = lowerBound(keys, key);
    if (keys[at] === key) {
      this.#liveDelta = (value & 1) - ((leaf.values[at] as number) & 1);
      leaf.values[at] = value;
    } else {
      this.#liveDelta = value & 1;
      this.#size += 1;
      insertAt(keys, at, key);
      insertAt(leaf.values, at, value);
    }
    leaf.live += this.#liveDelta;
    return keys.length > fanoutMax ? this.#splitLeaf(leaf, at) : undefined;
  }

  #splitLeaf(leaf: TreeNode, insertedAt: number): TreeNode {
    const keys = this.#keys(leaf);
    // Keys that come in order leave full leaves behind them, not half-empty ones.
    const half = insertedAt === keys.length - 1 ? fanoutMax : fanoutMax >>> 1;
    const rightKeys = keys.splice(half);
    const right = newLeaf(rightKeys, leaf.values.splice(half));
    leaf.live -= right.live;
    this.#separator = rightKeys[0] as string;
    return right;
  }

  #splitBranch(node: TreeNode): TreeNode {
    const children = node.children as TreeNode[];
    const half = children.length >>> 1;
    const keys = this.#keys(node).splice(half - 1);
    this.#separator = keys.shift() as string;
    const right = newBranch(keys, children.splice(half));
    node.live -= right.live;
    return right;
  }

  #delete(node: TreeNode, key: string): void {
    const keys = this.#keys(node);
    if (!node.children) {
      const at = lowerBound(keys, key);
      assert(keys[at] === key, 'a key that is taken out is in the index');
      assert(((node.values[at] as number) & 1) === 0, 'a key that is taken out is deleted');
      keys.splice(at, 1);
      node.values.splice(at, 1);
      this.#size -= 1;
      return;
    }
    const at = upperBound(keys, key);
    const child = node.children[at] as TreeNode;
    this.#delete(child, key);
    if (child.children ? child.children.length > 0 : child.values.length > 0) return;
    node.children.splice(at, 1);
    keys.splice(Math.max(0, at - 1), 1);
  }

  /** Living keys below `key`. */
  #rank(key: string): number {
    let rank = 0;
    let node = this.#root;
    while (node.children) {
      const at = upperBound(this.#keys(node), key);
      for (let n = 0; n < at; n += 1) rank += (node.children[n] as TreeNode).live;
      node = node.children[at] as TreeNode;
    }
    const at = lowerBound(this.#keys(node), key);
    for (let n = 0; n < at; n += 1) rank += (node.values[n] as number) & 1;
    return rank;
  }

  /** Whole-tree check for tests: order, separators, live counts. */
  validate(): void {
    assert(this.#validate(this.#root, '', undefined) === this.#size, 'size counts the keys');
  }

  /** Answers how many keys are under the node. */
  #validate(node: TreeNode, lo: string, hi: string | undefined): number {
    const keys = this.#keys(node);
    keys.forEach((key, at) => {
      assert(at === 0 || (keys[at - 1] as string) < key, 'keys of a node ascend');
      assert(key >= lo && (hi === undefined || key < hi), 'keys of a node lie in its range');
    });
    if (!node.children) {
      assert(node.live === countLive(node.values), 'a leaf counts its living keys');
      assert(keys.length === node.values.length, 'each key of a leaf has a value');
      return keys.length;
    }
    assert(node.children.length === keys.length + 1, 'separators stand between children');
    let size = 0;
    let live = 0;
    node.children.forEach((child, at) => {
      size += this.#validate(child, at === 0 ? lo : (keys[at - 1] as string), keys[at] ?? hi);
      live += child.live;
    });
    assert(node.live === live, 'a branch counts the living keys of its children');
    return size;
  }
}

type Scan = {
  readonly lo: string;
  readonly hi: string | undefined;
  readonly visit: KeyVisitor;
  readonly isLivingOnly: boolean;
};

function scanLeaf(
  values: readonly number[],
  keys: readonly string[],
  { lo, hi, visit, isLivingOnly }: Scan,
): boolean {
  for (let at = lowerBound(keys, lo); at < keys.length; at += 1) {
    const key = keys[at] as string;
    if (hi !== undefined && key >= hi) return false;
    const value = values[at] as number;
    if (isLivingOnly && (value & 1) === 0) continue;
    if (!visit(value >>> 1, key)) return false;
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
