import { CONCURRENCY, inform, ready } from './child.ts'
import { inLanes, type Job, openCopy } from './copy.ts'

/** Nothing durable: the jobs come over Node's channel, and are gone when this process is. */
const copy = openCopy(CONCURRENCY)

process.on('message', (jobs: readonly Job[]) => {
  inLanes(jobs, CONCURRENCY, copy).then(
    () => inform({ done: true }),
    error => {
      console.error(error)
      process.exit(1)
    },
  )
})
ready()
