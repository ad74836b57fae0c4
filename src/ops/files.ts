/** How a file may be shown by the page. Everything else is only ever offered as a download. */
export type Preview = 'image' | 'audio' | 'video'

/** Types that a browser decodes and never runs; SVG is a document with scripts and not among them. */
const SHOWN: Readonly<Record<Preview, readonly string[]>> = {
  image: ['image/jpeg', 'image/png', 'image/webp', 'image/gif'],
  audio: ['audio/ogg', 'audio/mpeg', 'audio/mp4', 'audio/aac', 'audio/amr', 'audio/wav', 'audio/webm'],
  video: ['video/mp4', 'video/3gpp', 'video/webm', 'video/quicktime'],
}

/** By the type that Storage serves the object as; null: a download. */
export function previewOf(contentType: string | null): Preview | null {
  const type = (contentType ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
  if (SHOWN.image.includes(type)) return 'image'
  if (SHOWN.audio.includes(type)) return 'audio'
  return SHOWN.video.includes(type) ? 'video' : null
}

/**
 * The name to save a file under. The sender chose it: what could be a path, a hidden file, a header or a text that
 * reads backwards is taken out, and a file without a name is called after its row.
 */
export function downloadName(fileName: string | null, id: number, objectKey: string): string {
  const clean = Array.from(
    (fileName ?? '')
      .toWellFormed()
      // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is replaced here
      .replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufffd]/g, '')
      .replace(/[\\/:*?"<>|;%]/g, '_')
      .replace(/^[\s.]+|[\s.]+$/g, ''),
  )
    .slice(-150)
    .join('')
  return clean === '' ? `${id}.${objectKey.split('.').at(-1) ?? 'bin'}` : clean
}
