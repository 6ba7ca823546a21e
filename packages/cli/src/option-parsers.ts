// Option values that are more than text. A wrong one is told by commander with the option's name.
import { InvalidArgumentError } from 'commander';

/** An integer in [lo, hi). */
export const integerIn =
  (lo: number, hi: number) =>
  (text: string): number => {
    const value = Number(text);
    if (/^\d+$/.test(text) && value >= lo && value < hi) return value;
    throw new InvalidArgumentError(`It is not a whole number from ${lo} to ${hi - 1}.`);
  };

/** Milliseconds from `500`, `500ms`, `5s` or `2m`. */
export function durationMs(text: string): number {
  const found = /^(\d+(?:\.\d+)?)(ms|s|m)?$/.exec(text);
  const unit = { ms: 1, s: 1_000, m: 60_000 }[found?.[2] ?? 'ms'];
  const value = Number(found?.[1]) * (unit ?? Number.NaN);
  if (Number.isFinite(value) && value > 0) return value;
  throw new InvalidArgumentError('It is not a duration, such as 500ms, 5s or 2m.');
}

/** Bytes from `500000`, `500kB`, `20MB` or `1GiB`. */
export function byteCount(text: string): number {
  const found = /^(\d+(?:\.\d+)?)\s*(?:([kKMGT])(i)?)?B?$/.exec(text);
  const power = ['', 'k', 'm', 'g', 't'].indexOf((found?.[2] ?? '').toLowerCase());
  const value = Math.floor(Number(found?.[1]) * (found?.[3] ? 1024 : 1000) ** power);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new InvalidArgumentError('It is not a number of bytes, such as 500000, 20MB or 1GiB.');
}

/** For options that may be given several times, and take several values each. */
export const collect = (text: string, earlier: readonly string[] = []): readonly string[] => [
  ...earlier,
  text,
];
