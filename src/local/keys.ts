import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

/** The secrets of one local project, in the shapes of the hosted ones. Made once and kept in its folder. */
export interface ProjectKeys {
  readonly publishable: string
  readonly secret: string
  readonly jwtSecret: string
  readonly whatsappAccessToken: string
  readonly whatsappAppSecret: string
  readonly whatsappVerifyToken: string
}

/** Reads the keys from `path`, or makes them there, readable by their owner alone. */
export function projectKeys(path: string): ProjectKeys {
  if (existsSync(path)) return JSON.parse(readFileSync(path, 'utf8'))
  const keys: ProjectKeys = {
    publishable: `sb_publishable_${word(16)}`,
    secret: `sb_secret_${word(24)}`,
    jwtSecret: word(32),
    whatsappAccessToken: `EAA${randomBytes(40).toString('hex')}`,
    whatsappAppSecret: randomBytes(16).toString('hex'),
    whatsappVerifyToken: word(12),
  }
  mkdirSync(dirname(path), { recursive: true })
  // Under another name until it is whole: whoever is killed while writing leaves no half file.
  writeFileSync(`${path}-half`, JSON.stringify(keys, null, 2), { mode: 0o600 })
  renameSync(`${path}-half`, path)
  return keys
}

const word = (bytes: number): string => randomBytes(bytes).toString('base64url')
