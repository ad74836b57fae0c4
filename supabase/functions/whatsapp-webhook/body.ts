/** Meta's documentation: a delivery is at most 3 MB. */
export const BODY_LIMIT = 3 * 2 ** 20

/**
 * The whole body as bytes, or null when it is longer than `limit`. A `Content-Length` over the limit is
 * refused without reading; without one, or with one that lies, reading stops at the limit.
 */
export async function readBody(
  request: Request,
  limit = BODY_LIMIT,
): Promise<Uint8Array<ArrayBuffer> | null> {
  if (Number(request.headers.get('content-length') ?? 0) > limit) {
    await request.body?.cancel()
    return null
  }
  if (request.body === null) return new Uint8Array()

  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request.body) {
    size += chunk.byteLength
    if (size > limit) return null // leaving the loop cancels the stream
    chunks.push(chunk)
  }

  const bytes = new Uint8Array(size)
  let at = 0
  for (const chunk of chunks) {
    bytes.set(chunk, at)
    at += chunk.byteLength
  }
  return bytes
}
