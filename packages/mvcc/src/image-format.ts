// What writer and loader of an image share: its marks and sizes. The layout stands in
// docs/formats.md, "State image".

export const imageFormat = 1;
export const imageMagic = 0x49534648; // "HFSI"
export const imageHeaderBytes = 80;
/** Of the header, the bytes before its own checksum. */
export const imageHeaderSummedBytes = 72;
export const imageFooterBytes = 32;
/** Stands where a key length would: no more records follow. */
export const imageEndMark = 0xffffffff;

/** Lets other work run; resolves soon. */
export type YieldNow = () => Promise<void>;
