import type { LocalProject } from '../../src/local/project.ts'
import type { Coordinates } from './project.ts'

/** Where a project's parts are and what opens them, for tests in other processes. */
export function coordinatesOf(project: LocalProject): Coordinates {
  const { url, webhookUrl, databaseUrl, keys, whatsapp } = project
  return {
    url,
    webhookUrl,
    databaseUrl,
    secretKey: keys.secret,
    accessToken: keys.whatsappAccessToken,
    appSecret: keys.whatsappAppSecret,
    verifyToken: keys.whatsappVerifyToken,
    graphUrl: whatsapp.graphUrl,
    controlUrl: whatsapp.elsewhereUrl,
  }
}
