import type { Summary } from './wire.ts'

/** One page: its element is shown until another page is opened. */
export interface View {
  /** For the window's title. */
  readonly title: string
  readonly element: HTMLElement
  /** Something may have changed: called with the newest summary at once, and then at most once a second. */
  update(summary: Summary): void
  /** Stops timers and requests. */
  close(): void
}
