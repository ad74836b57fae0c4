import { readFileSync, writeFileSync } from 'node:fs'

/** The kernel's clock for CPU time: 100 ticks a second on every Linux that we know of (USER_HZ). */
const TICK_MS = 10

/** CPU time of that process since it began, all its threads, in milliseconds. Linux only. */
export function cpuMs(pid: number): number {
  // Counted after the command's closing parenthesis: utime and stime are fields 14 and 15 of proc(5).
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ').at(-1)?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS
}

/** Resident memory in MB of 2^20 bytes. Linux only. */
export interface Resident {
  readonly now: number
  readonly peak: number
}

export function residentMb(pid: number): Resident {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  const read = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024
  return { now: read('VmRSS'), peak: read('VmHWM') }
}

/** Lets the peak begin anew from what is resident now (proc(5), clear_refs). */
export function forgetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5')
}
