/** How long a test waits for something that must come. */
const PATIENCE_MS = 10_000

/** What came and was not asked for yet; asking waits for it. */
export interface Inbox<Item> {
  readonly items: readonly Item[]
  put(item: Item): void
  /** Takes the oldest item that fits. */
  take(fits?: (item: Item) => boolean): Promise<Item>
  /** Forgets what has come so far. */
  clear(): void
}

export function inbox<Item>(what: string): Inbox<Item> {
  const items: Item[] = []
  let news = Promise.withResolvers<void>()
  return {
    items,
    clear() {
      items.length = 0
    },
    put(item) {
      items.push(item)
      news.resolve()
      news = Promise.withResolvers()
    },
    async take(fits = () => true) {
      const late = Promise.withResolvers<never>()
      const timer = setTimeout(() => {
        late.reject(new Error(`${what}: nothing that fits came in time, only ${JSON.stringify(items)}`))
      }, PATIENCE_MS)
      try {
        for (;;) {
          const index = items.findIndex(fits)
          const [item] = index < 0 ? [] : items.splice(index, 1)
          if (item !== undefined) return item
          await Promise.race([news.promise, late.promise])
        }
      } finally {
        clearTimeout(timer)
      }
    },
  }
}
