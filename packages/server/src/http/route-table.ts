// Which methods a path knows: the difference between 404 and 405, and the latter's `Allow`.

export class RouteTable {
  readonly #routes = new Map<string, { readonly pattern: RegExp; readonly methods: Set<string> }>();

  add(method: string | readonly string[], url: string): void {
    // A route that only explains a mistake is no reason to call its methods allowed.
    if (url.endsWith('*')) return;
    const route = this.#routes.get(url) ?? { pattern: patternOf(url), methods: new Set() };
    for (const one of [method].flat()) route.methods.add(one);
    this.#routes.set(url, route);
  }

  has(method: string, path: string): boolean {
    return this.methodsOf(path).includes(method);
  }

  /** The methods of `path` (without its query), sorted; empty where no route is. */
  methodsOf(path: string): readonly string[] {
    const methods = new Set<string>();
    for (const route of this.#routes.values()) {
      if (route.pattern.test(path)) for (const method of route.methods) methods.add(method);
    }
    return [...methods].sort();
  }
}

function patternOf(url: string): RegExp {
  const parts = url.split('/').map((part) => (part.startsWith(':') ? '[^/]+' : literal(part)));
  return new RegExp(`^${parts.join('/')}$`);
}

const literal = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
