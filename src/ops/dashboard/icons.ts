import { svg } from './dom.ts'
import type { MediaKind, UploadStatus } from './wire.ts'

/** Lines of 24 by 24, drawn for this page. A status has a shape of its own: colour alone says nothing to many. */
const STATUS: Readonly<Record<UploadStatus, string>> = {
  PENDING: 'M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M12 7v5l3.5 2',
  UPLOADING: 'M12 20V5M5.5 11 12 4.5l6.5 6.5',
  UPLOADED: 'M4.5 12.5l5 5 10-11',
  FAILED: 'M12 3 2.5 20h19zM12 10v4.5M12 17.4v.1',
}

const KIND: Readonly<Record<MediaKind | 'voice' | 'file', string>> = {
  image: 'M4 5h16v14H4zM4 16l4.5-4.5 4 4 3-3L20 17M15.5 9.2v.1',
  video: 'M4 6h11v12H4zM15 10.5l5-3v9l-5-3',
  audio:
    'M9 17.5V6l10-2v11.5M9 17.5a2.5 2.5 0 1 1-5 0 2.5 2.5 0 0 1 5 0M19 15.5a2.5 2.5 0 1 1-5 0 2.5 2.5 0 0 1 5 0',
  voice: 'M12 3.5a3 3 0 0 0-3 3v5a3 3 0 0 0 6 0v-5a3 3 0 0 0-3-3M5.5 11a6.5 6.5 0 0 0 13 0M12 17.5V21',
  document: 'M6 3h8l4 4v14H6zM14 3v4h4M9 12h6M9 16h6',
  sticker: 'M5 4h14v9l-6 7H5zM13 20v-7h6M9 9.2v.1M14 9.2v.1',
  file: 'M6 3h8l4 4v14H6zM14 3v4h4',
}

export const statusIcon = (status: UploadStatus): SVGElement => icon(STATUS[status])

export function kindIcon(kind: MediaKind | null, voice: boolean | null): SVGElement {
  return icon(KIND[voice === true ? 'voice' : (kind ?? 'file')])
}

export function icon(path: string): SVGElement {
  return svg('svg', { viewBox: '0 0 24 24', class: 'icon', 'aria-hidden': 'true' }, svg('path', { d: path }))
}
