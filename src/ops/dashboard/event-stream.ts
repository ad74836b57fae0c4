export interface ServerEvent {
  readonly event: string
  readonly data: string
}

/**
 * Reads a `text/event-stream` that comes in pieces (https://html.spec.whatwg.org/multipage/server-sent-events.html);
 * comments, ids and retry times are passed over. The browser's EventSource hides a 401, the keep-alive comments and
 * when it will try again: the page has to say all three.
 */
export function eventStream(): (chunk: string) => ServerEvent[] {
  let rest = ''
  let event = ''
  let data: string[] = []
  return chunk => {
    const events: ServerEvent[] = []
    const lines = (rest + chunk).split(/\r?\n/)
    rest = lines.pop() ?? ''
    for (const line of lines) {
      if (line === '') {
        if (data.length > 0) events.push({ event: event === '' ? 'message' : event, data: data.join('\n') })
        event = ''
        data = []
        continue
      }
      const [, field = '', value = ''] = /^([^:]*):? ?(.*)$/.exec(line) ?? []
      if (field === 'event') event = value
      else if (field === 'data') data.push(value)
    }
    return events
  }
}
