import { fromPieces, joined, type MediaSource } from './source.ts'

const BLOCK = 512

/** What a tar archive weighs beyond its one file: the header, and two empty blocks at the end. */
export const TAR_OVERHEAD = 3 * BLOCK

/** A POSIX (ustar) archive with one file in it. The file's size must be a multiple of 512. */
export function tarOf(name: string, content: MediaSource): MediaSource {
  if (content.size % BLOCK !== 0) {
    throw new RangeError(`the file in the archive must fill its blocks of 512 bytes: ${content.size}`)
  }
  const header = Buffer.alloc(BLOCK)
  header.write(name, 0, 100, 'ascii')
  header.write('0000644\0', 100)
  header.write('0000000\0'.repeat(2), 108)
  header.write(`${octal(content.size)} `, 124)
  header.write(`${octal(0)} `, 136)
  header.write(' '.repeat(8), 148)
  header.write('0', 156)
  header.write('ustar\x0000', 257)
  const checksum = header.reduce((sum, byte) => sum + byte, 0)
  header.write(`${checksum.toString(8).padStart(6, '0')}\0 `, 148)
  return joined([fromPieces([header]), content, fromPieces([new Uint8Array(2 * BLOCK)])])
}

function octal(value: number): string {
  return value.toString(8).padStart(11, '0')
}
