// A list that knows its items by links which they bring along: to add and to remove makes nothing
// new, and order stays. For sets of long life that change all the time. A Set makes itself a new
// table every few changes, and each old one points to the one after it: once one of them has grown
// old, all that follow outlive the collections of what is young, until one of everything.

/** An item's place in one list at a time; made once for each list that it may stand in. */
export class ListLink<T> {
  readonly item: T;
  /** For the list's own use, as `previous`; undefined at the end, and while it stands in none. */
  next: ListLink<T> | undefined;
  previous: ListLink<T> | undefined;
  isListed = false;

  constructor(item: T) {
    this.item = item;
  }
}

export class LinkedList<T> {
  #first: ListLink<T> | undefined;
  #last: ListLink<T> | undefined;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  get first(): T | undefined {
    return this.#first?.item;
  }

  /** In their order. `act` may remove the one that it is given, and no other. */
  each(act: (item: T) => void): void {
    let link = this.#first;
    while (link) {
      const { item, next } = link;
      act(item);
      link = next;
    }
  }

  /** At the end; one that stands in the list stays where it is. */
  add(link: ListLink<T>): void {
    if (link.isListed) return;
    link.isListed = true;
    link.previous = this.#last;
    if (this.#last) this.#last.next = link;
    else this.#first = link;
    this.#last = link;
    this.#length += 1;
  }

  /** One that stands in no list is left alone; one of another list must not come here. */
  remove(link: ListLink<T>): void {
    if (!link.isListed) return;
    link.isListed = false;
    const { next, previous } = link;
    if (next) next.previous = previous;
    else this.#last = previous;
    if (previous) previous.next = next;
    else this.#first = next;
    // Nothing that is gone holds on to what is not.
    link.next = undefined;
    link.previous = undefined;
    this.#length -= 1;
  }

  /** Takes the first one out. */
  shift(): T | undefined {
    const first = this.#first;
    if (!first) return undefined;
    this.remove(first);
    return first.item;
  }
}
