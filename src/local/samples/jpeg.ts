const START_OF_IMAGE = 0xffd8
const APP0 = 0xffe0
const COMMENT = 0xfffe
/** A segment's length counts its own two bytes and is 16 bits wide. */
const LONGEST_COMMENT = 0xffff - 2

/**
 * The same picture with a comment (COM segment) in it: other bytes, hence another hash, and as valid as
 * before. The comment stands behind the JFIF header, which must come first. The large pieces are views of
 * `jpeg`, so two hundred variants cost hardly any memory.
 */
export function withComment(jpeg: Uint8Array, comment: string): Uint8Array[] {
  const view = viewOf(jpeg)
  if (view.getUint16(0) !== START_OF_IMAGE)
    throw new TypeError('not a JPEG file: it does not begin with ff d8')
  const at = view.getUint16(2) === APP0 ? 4 + view.getUint16(4) : 2
  const text = new TextEncoder().encode(comment)
  if (text.length > LONGEST_COMMENT) {
    throw new RangeError(`a JPEG comment has at most ${LONGEST_COMMENT} bytes, this one has ${text.length}`)
  }
  const segment = new Uint8Array(4 + text.length)
  viewOf(segment).setUint16(0, COMMENT)
  viewOf(segment).setUint16(2, 2 + text.length)
  segment.set(text, 4)
  return [jpeg.subarray(0, at), segment, jpeg.subarray(at)]
}

/** Width and height in pixels, from the frame header. */
export function jpegSize(jpeg: Uint8Array): { width: number; height: number } {
  const view = viewOf(jpeg)
  for (let at = 2; at + 9 < jpeg.length; at += 2 + view.getUint16(at + 2)) {
    if (isFrameHeader(view.getUint16(at))) {
      return { height: view.getUint16(at + 5), width: view.getUint16(at + 7) }
    }
  }
  throw new TypeError('this JPEG file has no frame header')
}

/** SOF0 to SOF15; three markers within that range mean something else (DHT, JPG, DAC). */
function isFrameHeader(marker: number): boolean {
  return marker >= 0xffc0 && marker <= 0xffcf && ![0xffc4, 0xffc8, 0xffcc].includes(marker)
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
