// What writer and loader of an image share: its marks, sizes and kinds of section. The layout
// stands in docs/formats.md, "State image".
import { HoldfastError } from '@holdfast/base/errors';

export const imageFormat = 2;
export const imageMagic = 0x49534648; // "HFSI"
export const imageHeaderBytes = 80;
/** Of the header, the bytes before its own checksum. */
export const imageHeaderSummedBytes = 72;

/** In front of each section: u32 kind, u32 items, u32 payload bytes, u32 zero. */
export const sectionHeaderBytes = 16;
/** Payload of a section at most, unless a single item is larger. */
export const sectionBytesMax = 256 * 1024;
/** What the `end` section holds: f64 records, f64 bytes before, u32 checksum, u32 zero. */
export const imageEndBytes = 24;

/**
 * Sections come in the order of their numbers; one kind may take several in a row, whose items are
 * one list. A payload is a multiple of 8 bytes.
 */
export const sectionKinds = {
  members: 1,
  times: 2,
  leases: 3,
  sessions: 4,
  grantedLeases: 5,
  quotas: 6,
  records: 8,
  order: 9,
  end: 0xffffffff,
} as const;

/** A section that is small enough to be written and read as a whole. */
export type ImageSection = {
  readonly kind: number;
  readonly items: number;
  readonly payload: Uint8Array;
};

/** Lets other work run; resolves soon. */
export type YieldNow = () => Promise<void>;

export type LoadOptions = { readonly yieldNow: YieldNow; readonly slabBytes: number };

/** Throws `corrupt` unless it holds; says what is wrong otherwise. */
export function checkImage(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new HoldfastError('corrupt', `the state image cannot be used: ${otherwise}`);
}
