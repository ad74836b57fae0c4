/**
 * Loaded before every test file. realtime-js 2.119 leaves a timer of ten seconds behind each disconnect, which
 * nobody can clear: it may not keep a finished test file alive. (`forceExit` of node:test would end it, too, and
 * was seen to lose the results of the last tests.)
 */
const LEFT_BEHIND_MS = 10_000

const setTimeoutAsEver = globalThis.setTimeout

function setTimeoutWithoutHold(...given: Parameters<typeof setTimeoutAsEver>): NodeJS.Timeout {
  const timer = setTimeoutAsEver(...given)
  return given[1] === LEFT_BEHIND_MS ? timer.unref() : timer
}

globalThis.setTimeout = Object.assign(setTimeoutWithoutHold, setTimeoutAsEver)
