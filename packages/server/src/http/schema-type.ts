// JSON Schemas that are TypeScript types at the same time: what the routes need of them and nothing
// more, because a member that starts waits for whatever is loaded. They describe the API to people
// (/openapi.json) and are held against bodies by schema-check.ts.

const optionalMark: unique symbol = Symbol('optional');
declare const valueType: unique symbol;

/** A JSON Schema for values of type `T`; plain data. */
export type Schema<T = unknown> = {
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean' | 'null';
  readonly const?: string;
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly maxItems?: number;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly minimum?: number;
  readonly description?: string;
  readonly [optionalMark]?: true;
  /** Never there: it carries the type. */
  readonly [valueType]?: T;
};

/** The type of the values that a schema describes. */
export type Static<S> = S extends Schema<infer T> ? T : never;

/** Of a property that may be left out. */
export interface Optional<T> extends Schema<T> {
  readonly [optionalMark]: true;
}

type Properties = Readonly<Record<string, Schema>>;
type OptionalKeys<P> = { [K in keyof P]: P[K] extends Optional<unknown> ? K : never }[keyof P];
type ObjectOf<P> = { [K in Exclude<keyof P, OptionalKeys<P>>]: Static<P[K]> } & {
  [K in OptionalKeys<P>]?: Static<P[K]>;
};

type Described = Pick<Schema, 'description'>;
type NumberOptions = Described & Pick<Schema, 'minimum'>;
type ArrayOptions = Described & Pick<Schema, 'maxItems'>;
type ObjectOptions = Described &
  Pick<Schema, 'additionalProperties' | 'minProperties' | 'maxProperties'>;

export const Type = {
  String: (options: Described = {}): Schema<string> => ({ type: 'string', ...options }),
  Integer: (options: NumberOptions = {}): Schema<number> => ({ type: 'integer', ...options }),
  Number: (options: NumberOptions = {}): Schema<number> => ({ type: 'number', ...options }),
  Boolean: (options: Described = {}): Schema<boolean> => ({ type: 'boolean', ...options }),
  Null: (): Schema<null> => ({ type: 'null' }),
  Unknown: (): Schema<unknown> => ({}),
  Literal: <const T extends string>(value: T): Schema<T> => ({ type: 'string', const: value }),
  Array: <T>(items: Schema<T>, options: ArrayOptions = {}): Schema<T[]> => ({
    type: 'array',
    items,
    ...options,
  }),
  Union: <const S extends readonly Schema[]>(
    anyOf: S,
    options: Described = {},
  ): Schema<Static<S[number]>> => ({ anyOf, ...options }),
  /** A property that may be left out. */
  Optional: <T>(schema: Schema<T>): Optional<T> => ({ ...schema, [optionalMark]: true }),
  Object: <const P extends Properties>(
    properties: P,
    options: ObjectOptions = {},
  ): Schema<ObjectOf<P>> & { readonly properties: P } => {
    const required = Object.keys(properties).filter((name) => !properties[name]?.[optionalMark]);
    return { type: 'object', properties, ...(required.length > 0 ? { required } : {}), ...options };
  },
} as const;
