// JSON whose whole numbers keep all their digits: ids of leases and members have 64 bits, programs
// write them as plain numbers, and JSON.parse would make another lease of one.

/** A whole number that was written with more digits than JSON.parse is sure to keep. */
export type LongNumber = { readonly [longKey]: string };

/** No key of a message. */
const longKey = '\u0000';
/** The largest numbers that JSON.parse keeps have 16 digits; all of 15 are among them. */
const safeDigits = 15;

/** As JSON.parse, but for long whole numbers, which become a LongNumber. */
export const parseExactly = (text: string): unknown =>
  JSON.parse(/\d{16}/.test(text) ? markLongNumbers(text) : text);

/** The digits of a LongNumber; undefined of anything else. */
export function digitsOf(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const digits = (value as Partial<LongNumber>)[longKey];
  return typeof digits === 'string' ? digits : undefined;
}

const [quote, backslash, minus] = ['"', '\\', '-'].map((one) => one.charCodeAt(0));

function markLongNumbers(text: string): string {
  let marked = '';
  let copied = 0;
  let at = 0;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (code === quote) at = endOfString(text, at);
    else if (code === minus || isDigit(code)) {
      const end = endOfNumber(text, at);
      const number = text.slice(at, end);
      if (isLong(number)) {
        marked += `${text.slice(copied, at)}{"\\u0000":"${number}"}`;
        copied = end;
      }
      at = end;
    } else at += 1;
  }
  return marked + text.slice(copied);
}

/** Behind its closing quote; of one that has none, behind the text, which JSON.parse refuses. */
function endOfString(text: string, begin: number): number {
  let end = begin;
  do end = text.indexOf('"', end + 1);
  while (end > 0 && isEscaped(text, end));
  return end < 0 ? text.length : end + 1;
}

function isEscaped(text: string, at: number): boolean {
  let first = at;
  while (text.charCodeAt(first - 1) === backslash) first -= 1;
  return (at - first) % 2 === 1;
}

function endOfNumber(text: string, begin: number): number {
  const number = /[-+.\deE]*/y;
  number.lastIndex = begin;
  number.test(text);
  return number.lastIndex;
}

/** What JSON would not take for a number is left as it is, to be refused. */
const isLong = (number: string): boolean =>
  number.length > safeDigits && /^-?[1-9]\d{15,}$/.test(number);

const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39;
