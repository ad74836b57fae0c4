import { jpegSize, withComment } from './jpeg.ts'
import { fromPieces, type MediaSource } from './source.ts'

const PAGE = { width: 595, height: 842 }
const MARGIN = 48

/**
 * A PDF 1.4 document with the photograph once on each page, each time as an object of its own, so that it
 * weighs about `pages` times the photograph. The same input gives the same bytes. JPEG data goes into a PDF
 * as it is (DCTDecode), hence no library.
 */
export function photoAlbum(jpeg: Uint8Array, pages: number): MediaSource {
  const { width, height } = jpegSize(jpeg)
  const shownWidth = PAGE.width - 2 * MARGIN
  const shownHeight = Math.round((shownWidth * height) / width)
  const bottom = PAGE.height - MARGIN - shownHeight
  const numbers = Array.from({ length: pages }, (_, index) => ({ page: index + 1, first: 4 + index * 3 }))

  const file = objectWriter()
  file.object(1, ['<< /Type /Catalog /Pages 2 0 R >>'])
  const kids = numbers.map(({ first }) => `${first} 0 R`).join(' ')
  file.object(2, [`<< /Type /Pages /Count ${pages} /Kids [${kids}] >>`])
  file.object(3, ['<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>'])
  for (const { page, first } of numbers) {
    const drawing = [
      `q ${shownWidth} 0 0 ${shownHeight} ${MARGIN} ${bottom} cm /Photo Do Q`,
      `BT /Text 14 Tf ${MARGIN} ${bottom - 28} Td (Page ${page} of ${pages}) Tj ET`,
    ].join('\n')
    const photo = withComment(jpeg, `Page ${page}`)
    file.object(first, [
      `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 ${PAGE.width} ${PAGE.height}] /Contents ${first + 1} 0 R`,
      ` /Resources << /Font << /Text 3 0 R >> /XObject << /Photo ${first + 2} 0 R >> >> >>`,
    ])
    file.object(first + 1, [`<< /Length ${drawing.length} >>\nstream\n${drawing}\nendstream`])
    file.object(first + 2, [
      `<< /Type /XObject /Subtype /Image /Width ${width} /Height ${height} /ColorSpace /DeviceRGB`,
      ` /BitsPerComponent 8 /Filter /DCTDecode /Length ${fromPieces(photo).size} >>\nstream\n`,
      ...photo,
      '\nendstream',
    ])
  }
  return file.finish()
}

function objectWriter() {
  const pieces: Uint8Array[] = []
  const offsets: number[] = []
  let length = 0
  const write = (piece: string | Uint8Array) => {
    const bytes = typeof piece === 'string' ? Buffer.from(piece, 'latin1') : piece
    pieces.push(bytes)
    length += bytes.length
  }
  // The four high bytes tell transfer programs that the file is binary (PDF 32000-1, 7.5.2).
  write('%PDF-1.4\n%\xe2\xe3\xcf\xd3\n')
  return {
    object(number: number, body: readonly (string | Uint8Array)[]) {
      offsets[number] = length
      write(`${number} 0 obj\n`)
      for (const piece of body) write(piece)
      write('\nendobj\n')
    },
    finish(): MediaSource {
      const start = length
      const entries = offsets.slice(1).map(offset => `${String(offset).padStart(10, '0')} 00000 n \n`)
      write(`xref\n0 ${offsets.length}\n0000000000 65535 f \n${entries.join('')}`)
      write(`trailer\n<< /Size ${offsets.length} /Root 1 0 R >>\nstartxref\n${start}\n%%EOF\n`)
      return fromPieces(pieces)
    },
  }
}
