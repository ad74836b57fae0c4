import type { TransferError } from './transfer-error.ts'

/**
 * Whether a media host that failed a download is down as a whole, or whether that was the file's own trouble.
 *
 * A host that answered a download with 5xx, or not at all, is troubled: the probe of WhatsApp then knocks at its
 * `/`, without token and file. What that says has to be learned, since nobody documents it:
 *
 * | `/` of a troubled host | means                                                                                |
 * |------------------------|--------------------------------------------------------------------------------------|
 * | is silent              | down                                                                                 |
 * | answers below 500      | it works; from now on a 5xx there is known for an outage                             |
 * | answers 5xx            | down, but only `trust` times running; then files are let try whatever it says        |
 *
 * `trust` is `KNOWN` once `/` has answered below 500, right after a download that succeeded or to a probe. Until
 * then it is `UNKNOWN`, as in a daemon that was started in the outage. Each 5xx right after a successful download
 * lowers it, and the second takes it all away: such a `/` says nothing, and a 5xx is the file's own. So no host can
 * keep the circuit open for ever, and files that only try in an outage cost nobody an attempt: the knock that judges
 * them is believed again.
 *
 * Several files in a row that fail with 5xx would be the other sign. It is silent when there is but one file, as
 * most of the time in a small business, spends the attempts of the first ones in each outage, and still needs the
 * knock to know when the outage is over.
 */
export interface MediaHosts {
  /** It answered a download with the file or a redirect. The first time `/` is asked too, in the background. */
  served(url: URL, place: Place): void
  /** It answered a download with 5xx, or not at all. */
  failed(url: URL, place: Place): void
  /**
   * Knocks at the hosts in trouble; rejects when they are down. One dead host is no outage when another works that
   * served in the same place: a CDN node that is up says nothing of the host that leads all files to it.
   */
  check(signal: AbortSignal): Promise<void>
}

/** Where a host stood in a download: Graph named it, or another host led to it. */
export type Place = 'named' | 'redirected'

/** Null for an answer below 500, else what that answer means; rejects when there is none. */
export type Knock = (host: URL, signal: AbortSignal) => Promise<TransferError | null>

interface MediaHost {
  readonly address: URL
  troubled: boolean
  place: Place
  /** Downloads that it did not fail. */
  served: number
  /** After so many of them `/` is asked once more. */
  askAfter: number
  /** How many 5xx of `/` running are believed. */
  trust: number
  /** 5xx of `/` running, while troubled. */
  refused: number
}

const UNKNOWN = 2
/** With a circuit's waits ten are five minutes at the beginning of an outage, and later about eight. */
const KNOWN = 10
/** Meta redirects to any number of CDN nodes. A host that is forgotten is only unknown again. */
const HOSTS_AT_MOST = 64
const NEVER = new AbortController().signal

export function watchMediaHosts(knock: Knock): MediaHosts {
  const hosts = new Map<string, MediaHost>()
  const serving = new Map<Place, MediaHost>()

  function hostOf({ origin }: URL, place: Place): MediaHost {
    const known = hosts.get(origin)
    if (known !== undefined) {
      known.place = place
      return known
    }
    const [oldest] = hosts.keys()
    if (oldest !== undefined && hosts.size === HOSTS_AT_MOST) hosts.delete(oldest)
    const host = {
      address: new URL(origin),
      troubled: false,
      place,
      served: 0,
      askAfter: 1,
      trust: UNKNOWN,
      refused: 0,
    }
    hosts.set(origin, host)
    return host
  }

  /** What `/` answers while the host works. Asked ever more rarely while that is 5xx, and no more once it is not. */
  async function learn(host: MediaHost): Promise<void> {
    host.askAfter = Number.POSITIVE_INFINITY
    try {
      const refusal = await knock(host.address, NEVER)
      if (refusal === null) {
        host.trust = KNOWN
        return
      }
      host.trust = Math.max(0, Math.min(host.trust, UNKNOWN) - 1)
    } catch {
      // Silence says nothing about what it answers otherwise.
    }
    host.askAfter = host.served * 2
  }

  async function ask(host: MediaHost, signal: AbortSignal): Promise<void> {
    const refusal = await knock(host.address, signal)
    if (refusal === null) host.trust = KNOWN
    else if (host.refused < host.trust) {
      host.refused += 1
      throw refusal
    } else host.askAfter = Math.min(host.askAfter, host.served + 1)
    host.refused = 0
    host.troubled = false
  }

  const nextTroubled = (asked: ReadonlySet<MediaHost>): MediaHost | undefined =>
    [...hosts.values()].find(host => host.troubled && !asked.has(host))

  return {
    served(url, place) {
      const host = hostOf(url, place)
      serving.set(place, host)
      host.served += 1
      if (host.served >= host.askAfter) void learn(host)
    },
    failed(url, place) {
      hostOf(url, place).troubled = true
    },
    async check(signal) {
      const asked = new Set<MediaHost>()
      for (let host = nextTroubled(asked); host !== undefined; host = nextTroubled(asked)) {
        asked.add(host)
        try {
          await ask(host, signal)
        } catch (error) {
          const other = serving.get(host.place)
          if (other === undefined || other === host) throw error
          await ask(other, signal)
        }
      }
    },
  }
}
