/** What was asked of the simulator since it started. Read it; only the simulator writes. */
export interface RequestCounts {
  readonly graph: { media: number; probe: number; debug_token: number; other: number; unauthorised: number }
  readonly media: {
    started: number
    /** The whole body was written and the reader was still there. */
    completed: number
    /** No token, or a wrong one. */
    unauthorised: number
    /** A link that was forged, expired or of a file that is gone. */
    badLink: number
    /** Downloads under way now, and the most there were at once. */
    open: number
    openPeak: number
  }
  readonly elsewhere: {
    started: number
    completed: number
    /** The token came along over a redirect to another host: a leak. */
    withToken: number
  }
}

export function newRequestCounts(): RequestCounts {
  return {
    graph: { media: 0, probe: 0, debug_token: 0, other: 0, unauthorised: 0 },
    media: { started: 0, completed: 0, unauthorised: 0, badLink: 0, open: 0, openPeak: 0 },
    elsewhere: { started: 0, completed: 0, withToken: 0 },
  }
}
