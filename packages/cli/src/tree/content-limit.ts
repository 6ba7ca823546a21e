/** The largest content of a configuration: one mebibyte (the server says the same with 413). */
export const contentBytesMax = 1_048_576;
