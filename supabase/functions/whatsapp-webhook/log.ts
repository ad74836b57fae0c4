export type LogLevel = 'info' | 'warn' | 'error'

/**
 * Counts, codes and durations only. A message id is left out too: a wamid carries the sender's phone
 * number in base64.
 */
export type LogFields = Readonly<Record<string, string | number | boolean | null>>

export type WriteLog = (level: LogLevel, event: string, fields?: LogFields) => void

/** One line of JSON on standard output, which the platform's log explorer can query. */
export const writeLog: WriteLog = (level, event, fields = {}) => {
  console.log(JSON.stringify({ time: new Date().toISOString(), level, event, ...fields }))
}
