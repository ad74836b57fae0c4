/** What a server's process tells the benchmark, or a measured child: one JSON value over Node's own channel. */
export function inform(message: Readonly<Record<string, unknown>>): void {
  process.send?.(message)
}

// The benchmark may be killed; nothing it started outlives it.
process.on('disconnect', () => process.exit(0))
