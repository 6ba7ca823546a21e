// The format that a file's ending promises. What is not in the table is text.

const formats: Readonly<Record<string, string>> = {
  json: 'json',
  yaml: 'yaml',
  yml: 'yaml',
  toml: 'toml',
  properties: 'properties',
  xml: 'xml',
};

export function formatOf(name: string): string {
  const ending = /\.([^./]+)$/.exec(name)?.[1]?.toLowerCase();
  return (ending === undefined ? undefined : formats[ending]) ?? 'text';
}
