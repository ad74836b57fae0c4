import { UserError } from '../errors.ts'
import { isLoopback } from '../settings-fields.ts'

/** Where the access token may be sent: decisions only, no I/O. */
export interface TokenHosts {
  /**
   * The parsed address when the token may be sent there, otherwise the reason why not (without the address,
   * whose query is a signature).
   */
  check(address: string, base?: URL): { readonly url: URL } | { readonly refused: string }
}

interface Rule {
  /** Lower case; for `*.example.com` with the dot in front. */
  readonly name: string
  readonly subdomains: boolean
  /** Empty: the port of https, or any port of loopback. */
  readonly port: string
}

/**
 * The token goes to the Graph URL and to `WHATSAPP_MEDIA_HOSTS` (Meta's: `graph.facebook.com`,
 * `*.fbsbx.com`, `*.fbcdn.net`, `*.whatsapp.net`), over https. Plain http goes to loopback alone, and only
 * when the Graph URL itself is loopback. `*.example.com` means any name below it, not itself.
 * Throws a UserError for a rule that makes no sense.
 */
export function tokenHosts(graphUrl: string, mediaHosts: readonly string[]): TokenHosts {
  const graph = new URL(graphUrl)
  const graphIsLocal = isLoopback(graph.hostname)
  const rules = mediaHosts.map(toRule)

  function reasonAgainst(url: URL): string | undefined {
    if (url.protocol !== 'https:' && url.protocol !== 'http:') return `${url.protocol} is not https`
    if (url.username !== '' || url.password !== '') return 'the address carries a user name'
    if (/^\.|\.\.|\.$|^$/.test(url.hostname)) return 'the host name is not a plain one'
    const local = isLoopback(url.hostname)
    if (local && !graphIsLocal) return 'it points to this machine itself'
    if (url.protocol === 'http:' && !local) return 'it is not https'
    if (url.host === graph.host && url.protocol === graph.protocol) return undefined
    if (rules.some(rule => matches(rule, url, local))) return undefined
    return `the host ${url.host} is not among WHATSAPP_MEDIA_HOSTS`
  }

  return {
    check(address, base) {
      const url = URL.parse(address, base?.href)
      if (url === null) return { refused: 'it is no address' }
      const refused = reasonAgainst(url)
      return refused === undefined ? { url } : { refused }
    },
  }
}

function toRule(text: string): Rule {
  const match = /^(\*\.)?([a-z0-9.-]+|\[[0-9a-f:]+\])(?::(\d{1,5}))?$/i.exec(text.trim())
  const [, star, host = '', port = ''] = match ?? []
  const name = URL.parse(`https://${host}`)?.hostname ?? ''
  const labels = name.split('.').length
  const odd = name === '' || name.startsWith('.') || name.endsWith('.') || name.includes('..')
  if (odd || name !== host.toLowerCase() || (star !== undefined && labels < 2)) {
    throw new UserError(`WHATSAPP_MEDIA_HOSTS names "${text}", which is no host.`, {
      hint: 'Write each as host, host:port or *.example.com, with commas between them.',
    })
  }
  return { name: star === undefined ? name : `.${name}`, subdomains: star !== undefined, port }
}

function matches(rule: Rule, url: URL, local: boolean): boolean {
  const portFits = rule.port === '' ? url.port === '' || local : rule.port === (url.port || defaultPort(url))
  if (!portFits) return false
  return rule.subdomains ? url.hostname.endsWith(rule.name) : url.hostname === rule.name
}

const defaultPort = (url: URL): string => (url.protocol === 'https:' ? '443' : '80')
