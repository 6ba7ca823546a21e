/** The flags of `holdfast start` that were given, by their long names in camel case. */
export type StartFlags = Readonly<Record<string, string | boolean | undefined>>;
