// The disk as a port. Paths are relative to one member's data directory and use '/'. Two
// implementations: node-disk.ts (the real one) and the simulator's, which loses, tears and rots.
//
// What is durable: bytes of a file after its sync(); a file's existence, name or removal only after
// syncDirectory() of the directory that holds it. Everything else a power loss may undo.

export interface DiskFile {
  /**
   * Bytes from `offset`; fewer than `length` only at the end of the file. They may lie in `memory`,
   * if that is large enough, and else in memory of their own.
   */
  read(offset: number, length: number, memory?: Uint8Array): Promise<Uint8Array>;
  /**
   * Writes now, into the page cache; throws an error with `code: 'ENOSPC'` when the disk is full.
   */
  writeNow(offset: number, bytes: Uint8Array): void;
  /** As writeNow, off the event loop: for bulk work. */
  write(offset: number, bytes: Uint8Array): Promise<void>;
  /** fdatasync: data and the size that is needed to read them. */
  sync(): Promise<void>;
  truncate(length: number): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

export interface Disk {
  /**
   * `create`: makes the file, which must not exist. Without it a missing file is `code: 'ENOENT'`.
   */
  open(
    path: string,
    options?: { readonly create?: boolean; readonly readOnly?: boolean },
  ): Promise<DiskFile>;
  /** Names in a directory, sorted; an absent directory is empty. */
  list(directory: string): Promise<readonly string[]>;
  makeDirectory(directory: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Replaces `to` atomically, if it exists. */
  rename(from: string, to: string): Promise<void>;
  syncDirectory(directory: string): Promise<void>;
  freeBytes(): Promise<number>;
}
