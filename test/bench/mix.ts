import { createHash } from 'node:crypto'

/** What is carried: the same file over and over, or what people send. 1 KB is 2^10 bytes, 1 MB 2^20. */
export type MixName = '200KB' | 'mixed'
export const MIXES: readonly MixName[] = ['200KB', 'mixed']

export interface BenchFile {
  /** Its place in the catalogue; part of every media id. */
  readonly index: number
  readonly size: number
  readonly mimeType: string
  readonly kind: 'image' | 'audio' | 'document'
}

const KB = 2 ** 10
const MB = 2 ** 20

/** A hundred files of the mixed set: 90 pictures, 9 voice notes and videos, 1 document; in front the one of 200 KB. */
export const FILES: readonly BenchFile[] = catalogue()

function catalogue(): BenchFile[] {
  const random = seeded(1)
  const between = (least: number, most: number) => Math.round(least + random() * (most - least))
  const picture = (size: number) => ({ size, mimeType: 'image/jpeg', kind: 'image' as const })
  const files = [
    picture(200 * KB),
    ...Array.from({ length: 90 }, () => picture(between(50 * KB, 400 * KB))),
    ...Array.from({ length: 9 }, () => ({
      size: between(MB, 16 * MB),
      mimeType: 'audio/ogg',
      kind: 'audio' as const,
    })),
    { size: 100 * MB, mimeType: 'application/pdf', kind: 'document' as const },
  ]
  return files.map((file, index) => ({ ...file, index }))
}

/**
 * The n-th file of a mix, the same for every system. Of `mixed` every hundred hold each file of the set once, in
 * an order of their own: two runs of some hundreds are the same bytes.
 */
export function sequence(mix: MixName, count: number): BenchFile[] {
  const [plain, ...set] = FILES
  if (plain === undefined) throw new Error('no files')
  if (mix === '200KB') return Array.from({ length: count }, () => plain)
  const random = seeded(2)
  const chosen: BenchFile[] = []
  while (chosen.length < count) chosen.push(...shuffled(set, random))
  return chosen.slice(0, count)
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map(item => ({ item, place: random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ item }) => item)
}

/** Mulberry32. */
function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

const SIGNATURES: Readonly<Record<BenchFile['kind'], string>> = {
  image: '\xff\xd8\xff\xe0',
  audio: `OggS${'\0'.repeat(24)}OpusHead`,
  document: '%PDF-1.7\n',
}

/** The bytes of every file are the first of one long one of its kind, which begins with that kind's signature. */
export function contents(): (file: BenchFile) => Buffer {
  const longest: Record<BenchFile['kind'], Buffer> = {
    image: filled('image'),
    audio: filled('audio'),
    document: filled('document'),
  }
  return ({ kind, size }) => longest[kind].subarray(0, size)
}

function filled(kind: BenchFile['kind']): Buffer {
  const random = seeded(kind.length)
  const pattern = Buffer.from(Array.from({ length: 64 * KB + 1 }, () => random() * 256))
  const size = Math.max(...FILES.filter(file => file.kind === kind).map(file => file.size))
  const bytes = Buffer.alloc(size, pattern)
  bytes.write(SIGNATURES[kind], 'latin1')
  return bytes
}

/** SHA-256 of every file of the catalogue, 64 hex digits, by index. */
export function hashes(): string[] {
  const bytesOf = contents()
  return FILES.map(file => createHash('sha256').update(bytesOf(file)).digest('hex'))
}

/** A media id tells the fake Graph API which file it is; the serial makes it one of its own. */
export const mediaId = (file: BenchFile, serial: string | number): string => `${file.index}_${serial}`

export function fileOf(id: string): BenchFile | undefined {
  return FILES[Number(id.split('_', 1)[0])]
}
