import { contents, FILES, fileOf, hashes } from '../mix.ts'
import { inform } from './channel.ts'
import { json, serveFake } from './http.ts'

/** A process of its own: the Graph API and the media host, as fast as one Node can be. */
const bytesOf = contents()
const sha256 = hashes()

const port = await serveFake({
  keeps: () => false,
  answer: ({ path }) => {
    const [, root = '', id = ''] = path.split('/', 3)
    const file = fileOf(root === 'media' ? id : (id.split('?', 1)[0] ?? ''))
    if (file === undefined) return json({ error: { message: 'no such file', code: 100 } }, 400)
    if (root === 'media') return { status: 200, type: file.mimeType, body: bytesOf(file) }
    if (id.includes('watched')) inform({ watched: id, at: process.hrtime.bigint().toString() })
    return json({
      url: `http://127.0.0.1:${port}/media/${file.index}`,
      mime_type: file.mimeType,
      sha256: sha256[file.index],
      file_size: file.size,
      id,
      messaging_product: 'whatsapp',
    })
  },
})
inform({ port, files: FILES.length })
