import type { Dependency } from '../../src/attachment.ts'
import type { Keeper } from './keeper.ts'
import type { RealtimeMood } from './realtime.ts'
import type { OutageKind } from './weather.ts'
import type { World } from './world.ts'

const KINDS = {
  whatsapp: [
    'unreachable',
    'hang',
    'lost',
    'slow',
    'error',
    'rate',
    'refused',
    'blind',
    'media_host',
    'media_error',
  ],
  storage: ['unreachable', 'hang', 'lost', 'slow', 'error', 'rate', 'refused', 'bucket', 'quota'],
  database: ['unreachable', 'hang', 'lost', 'slow', 'error'],
} as const satisfies Record<Dependency, readonly OutageKind[]>

const MOODS = [
  'silent',
  'unpublished',
  'down',
  'mute',
  'unlistening',
  'refusing',
] as const satisfies readonly RealtimeMood[]

/** Files that come and faults that strike, drawn for one seed and spread over `ms`; then everything works again. */
export function plan(world: World, keeper: Keeper, ms: number): void {
  const { random, time } = world
  const at = (work: () => void) => time.after(random.between(0, ms), work)
  const someSlot = () => random.between(0, keeper.slots().length - 1)
  for (const slot of keeper.slots()) time.after(random.between(0, 3000), () => keeper.start(slot))
  const poisoned = random.chance(0.15)
  for (let file = random.between(2, 10); file > 0; file--) at(() => world.send(false))
  if (poisoned) at(poison)
  for (let times = random.between(0, 3); times > 0; times--) at(() => world.redeliver())

  const faults: (() => void)[] = [
    outage,
    outage,
    outage,
    outage,
    outage,
    () => {
      const slot = someSlot()
      world.trace.count('stop asked for')
      keeper.stop(slot)
    },
    () => keeper.killSlot(someSlot(), 'by chance'),
    () => keeper.killSlot(someSlot(), 'by chance'),
    () => keeper.freeze(someSlot(), random.between(500, 3 * world.leaseMs)),
    () => keeper.freeze(someSlot(), random.between(500, 3 * world.leaseMs)),
    () => keeper.loseDisk(someSlot()),
    crashLoop,
    island,
    island,
    realtime,
    realtime,
    operator,
  ]
  for (let number = random.between(2, 9); number > 0; number--) {
    const fault = faults[random.between(0, faults.length - 1)]
    if (fault !== undefined) at(fault)
  }
  time.after(ms, heal)

  function poison(): void {
    world.send(true)
    mailAroundSuspects()
  }

  /** Something ends one daemon again and again, whatever it has in hand. */
  function crashLoop(): void {
    const slot = someSlot()
    world.trace.count('crash loop')
    world.weather.begin({ dependency: 'whatsapp', kind: 'slow', process: null, until: time.now() + 15_000 })
    for (let files = 3; files > 0; files--) world.send(false)
    for (const ms of [3000, 8500, 14_000]) time.after(ms, () => keeper.killSlot(slot, 'in a loop'))
    mailAroundSuspects()
  }

  /** What has died twice by now is a suspect: there is mail when its pause is over. */
  function mailAroundSuspects(): void {
    for (let files = 20; files > 0; files--)
      time.after(random.between(30_000, 50_000), () => world.send(false))
  }

  function outage(): void {
    const dependency = random.pick<Dependency>(['whatsapp', 'storage', 'database'])
    const kind = random.pick<OutageKind>(KINDS[dependency])
    const name = random.chance(0.3) ? (keeper.nameOf(someSlot()) ?? null) : null
    const lasts = random.pick([
      random.between(50, 2000),
      random.between(2000, 30_000),
      random.between(30_000, 120_000),
    ])
    world.trace.count(`outage ${dependency} ${kind}${name === null ? '' : ' for one'}`)
    world.trace.tell(`${dependency} is ${kind} for ${name ?? 'all'} for ${lasts} ms`)
    world.weather.begin({ dependency, kind, process: name, until: time.now() + lasts })
  }

  /** One daemon works slowly, and then the database alone is out of its reach for longer than a lease. */
  function island(): void {
    const name = keeper.nameOf(someSlot())
    if (name === undefined || !keeper.spend()) return
    world.trace.count('island')
    world.trace.tell(`${name} becomes slow, and then an island`)
    const until = time.now() + 60_000
    world.weather.begin({ dependency: 'whatsapp', kind: 'slow', process: name, until })
    world.weather.begin({ dependency: 'storage', kind: 'slow', process: name, until })
    world.send(false)
    time.after(random.between(2000, 12_000), () => {
      const kind = random.pick<OutageKind>(['unreachable', 'lost', 'hang'])
      world.weather.begin({ dependency: 'database', kind, process: name, until })
    })
  }

  function realtime(): void {
    const what = random.pick<'mood' | 'dropped' | 'closed' | 'deaf'>([
      'mood',
      'mood',
      'dropped',
      'closed',
      'deaf',
    ])
    if (what === 'mood') {
      const mood = random.pick<RealtimeMood>(MOODS)
      world.realtime.mood = mood
      world.trace.count(`realtime ${mood}`)
      world.trace.tell(`Realtime is ${mood}`)
      time.after(random.between(5000, 60_000), () => {
        world.realtime.mood = 'ok'
      })
      return
    }
    world.trace.count(`realtime ${what}`)
    world.trace.tell(`Realtime: ${what}`)
    if (what === 'deaf') world.realtime.deafen()
    else world.realtime.cut(what)
  }

  function operator(): void {
    if (random.chance(0.5)) {
      world.trace.count('retried by an operator')
      for (const row of world.database.rows()) {
        const item = world.itemOf(row.id)
        if (row.upload_status === 'FAILED' && item !== undefined) item.faults = random.between(0, 2)
      }
      world.database.call('retry_attachments', {})
      return
    }
    world.trace.count('paused')
    world.trace.tell('paused')
    world.database.call('set_pipeline_paused', { paused: true, changed_by: 'operator' })
    time.after(random.between(1000, 30_000), () => resume(world))
  }

  function heal(): void {
    world.trace.tell('from here on everything works')
    world.calm = true
    world.weather.clear()
    world.realtime.mood = 'ok'
    resume(world)
    keeper.thawAll()
  }
}

function resume(world: World): void {
  world.trace.tell('resumed')
  world.database.call('set_pipeline_paused', { paused: false, changed_by: 'operator' })
}
