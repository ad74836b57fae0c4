import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { dirname, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface Asset {
  readonly type: string
  readonly body: Buffer
  /** With quotes. */
  readonly etag: string
}

/** The page and what belongs to it, by the path under which it is asked for. Nothing else is ever read. */
export interface Assets {
  get(path: string): Asset | undefined
}

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
}

const PLACEHOLDER =
  '<!doctype html><html lang="en"><meta charset="utf-8"><title>mediaferry</title><p>The dashboard is not part of this installation.</p></html>'

/**
 * Lists the page's files once, from `folder` and uPlot's package. Modules are asked for as `.js`: in the package they
 * are compiled, in the sources they are given out without their types.
 */
export function openAssets(folder = join(import.meta.dirname, 'dashboard')): Assets {
  const paths = new Map<string, string>()
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    const kind = extname(name)
    const path = join(folder, name)
    if (name === 'index.html') paths.set('/', path)
    else if (kind === '.ts') {
      if (!name.endsWith('.d.ts')) paths.set(`/dashboard/${name.slice(0, -3)}.js`, path)
    } else if (kind in TYPES) paths.set(`/dashboard/${name}`, path)
  }
  const uplot = dirname(fileURLToPath(import.meta.resolve('uplot')))
  paths.set('/dashboard/uplot.js', join(uplot, 'uPlot.esm.js'))
  paths.set('/dashboard/uplot.css', join(uplot, 'uPlot.min.css'))
  const read = new Map<string, Asset>()

  return {
    get: path => {
      const file = paths.get(path)
      const known = read.get(path)
      if (known !== undefined) return known
      if (file === undefined) return path === '/' ? asset('.html', Buffer.from(PLACEHOLDER)) : undefined
      const loaded = load(file)
      read.set(path, loaded)
      return loaded
    },
  }
}

function load(file: string): Asset {
  const kind = extname(file)
  const body = readFileSync(file)
  return kind === '.ts' ? asset('.js', Buffer.from(withoutTypes(body.toString('utf8')))) : asset(kind, body)
}

/** What the compiler makes of a module, as far as a browser is concerned: no types, and imports by the names of `.js`. */
function withoutTypes(source: string): string {
  const { emitWarning } = process
  // Node warns, once, that this function is new; a log is no place for that.
  process.emitWarning = () => undefined
  try {
    return stripTypeScriptTypes(source).replace(/\b((?:from|import)\s*\(?\s*'\.\/[\w-]+)\.ts'/g, "$1.js'")
  } finally {
    process.emitWarning = emitWarning
  }
}

function asset(kind: string, body: Buffer): Asset {
  const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`
  return { type: TYPES[kind] ?? 'application/octet-stream', body, etag }
}
