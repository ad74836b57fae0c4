import { Actor, type AnyActor } from 'xstate'
import { startDaemon } from '../../src/daemon.ts'
import { openClient } from '../../src/database/client.ts'
import { openDatabase } from '../../src/database/database.ts'
import { describeError } from '../../src/errors.ts'
import type { Log } from '../../src/log.ts'
import type { Outside } from '../../src/outside.ts'
import type { Settings } from '../../src/settings.ts'
import { createTransfer } from '../../src/transfer/index.ts'
import { dataApiFor } from './database.ts'
import { createProcess, type SimulatedProcess } from './process.ts'
import { type Disk, emptyDisk, stateFor } from './state.ts'
import { storageFor } from './storage.ts'
import { whatsappFor } from './whatsapp.ts'
import type { Keeping, World } from './world.ts'

/** One daemon of the operator's, through all its lives. */
interface Slot {
  readonly number: number
  lives: number
  disk: Disk
  running: Life | null
}

interface Life {
  readonly slot: Slot
  readonly process: SimulatedProcess
  readonly stop: AbortController
  readonly actors: Set<AnyActor>
  thawedAt: number
}

/** Starts daemons, kills and freezes them, and starts them again, as PM2 and an operator do. */
export interface Keeper extends Keeping {
  start(slot: number): void
  slots(): readonly number[]
  stop(slot: number): void
  killSlot(slot: number, why: string): void
  freeze(slot: number, ms: number): void
  loseDisk(slot: number): void
  /** Takes one off what may still cost leases; false when there is none left. */
  spend(): boolean
  nameOf(slot: number): string | undefined
  /** Thaws whoever is frozen. */
  thawAll(): void
  /** From now on what ends stays ended, and what runs is stopped. */
  finish(): void
  running(): number
}

export interface KeeperOptions {
  readonly world: World
  readonly settings: Settings
  readonly log: (process: string) => Log
  readonly count: number
  /** Kills and freezes that may cost a lease. */
  readonly incidents: number
}

/** What a stopped daemon may still have under way: the answers on their way back. */
const AFTERMATH_MS = 15_000

export function createKeeper({ world, settings, log, count, incidents }: KeeperOptions): Keeper {
  const { time, trace, random } = world
  const lives = new Map<SimulatedProcess, Life>()
  const disks = new Map<string, Disk>()
  const slots: Slot[] = Array.from({ length: count }, (_, number) => ({
    number,
    lives: 0,
    disk: newDisk(number),
    running: null,
  }))
  let left = incidents
  let finishing = false

  function newDisk(number: number): Disk {
    const disk = emptyDisk(`worker-${number}-${world.number()}`)
    disks.set(disk.worker, disk)
    return disk
  }

  function outsideOf(process: SimulatedProcess, disk: Disk): Outside {
    return {
      openState: () => stateFor(world, process, disk),
      openDatabase: options => openDatabase(options, openClient(options, dataApiFor(world, process))),
      createTransfer: config => {
        const closed = new AbortController()
        return createTransfer(config, {
          meta: whatsappFor(world, process, closed.signal),
          storage: storageFor(world, process, closed.signal),
          close: async () => closed.abort(new Error('simulated close')),
        })
      },
      listen: (_project, worker, handlers) => world.realtime.linkFor(process, worker, handlers),
    }
  }

  function start(slot: Slot): void {
    if (slot.running !== null || (finishing && slot.lives > 0)) return
    const process = createProcess(`d${slot.number}.${++slot.lives}`, time, random.shuffle)
    const life: Life = { slot, process, stop: new AbortController(), actors: new Set(), thawedAt: 0 }
    slot.running = life
    lives.set(process, life)
    trace.count('daemon started')
    trace.tell(`${process.name} starts as ${slot.disk.worker}`)
    process.run(() => {
      startDaemon(settings, log(process.name), life.stop.signal, outsideOf(process, slot.disk)).then(
        daemon => {
          if (daemon === null) return ended(life)
          trace.tell(`${process.name} is ready`)
          void daemon.ended.then(() => ended(life))
        },
        error => {
          world.judge.broken('a daemon starts', `${process.name}: ${describeError(error)}`)
          ended(life)
        },
      )
    })
  }

  function ended(life: Life): void {
    if (life.process.state() !== 'running') return
    trace.tell(`${life.process.name} has stopped`)
    trace.count('daemon stopped')
    time.after(AFTERMATH_MS, () => checkNothingLeft(life))
    again(life, random.between(100, 10_000))
  }

  function again(life: Life, ms: number): void {
    if (life.slot.running !== life) return
    life.slot.running = null
    time.after(ms, () => start(life.slot))
  }

  function checkNothingLeft({ process, actors, stop }: Life): void {
    if (process.state() !== 'running') return
    const active = [...actors].filter(actor => actor.getSnapshot().status === 'active')
    const left = [
      ...(process.timers.size > 0 ? [`${process.timers.size} timers`] : []),
      ...[...process.asking].map(what => `a question (${what})`),
      ...active.map(actor => `actor ${actor.id}`),
      ...(world.realtime.open(process) > 0 ? ['a Realtime link'] : []),
    ]
    if (!stop.signal.aborted) left.push('and nobody had stopped it')
    if (left.length > 0)
      world.judge.broken('nothing is left after a stop', `${process.name}: ${left.join(', ')}`)
    process.die()
  }

  function kill(process: SimulatedProcess, why: string): void {
    const life = lives.get(process)
    if (life === undefined || process.state() === 'dead') return
    trace.tell(`${process.name} is killed: ${why}`)
    trace.count('daemon killed')
    world.judge.incident(process)
    process.die()
    again(life, random.between(1000, 4000))
  }

  function spend(): boolean {
    if (left <= 0 || world.calm) return false
    left--
    return true
  }

  // XState has no list of what runs: every actor is noted as it starts, for the process in whose code it does.
  watchActors(actor => {
    for (const life of lives.values()) if (time.owner() === life.process) life.actors.add(actor)
  })

  return {
    start: number => {
      const slot = slots[number]
      if (slot !== undefined) start(slot)
    },
    slots: () => slots.map(({ number }) => number),
    stop: number => {
      const life = slots[number]?.running
      if (life?.process.state() !== 'running') return
      trace.tell(`${life.process.name} is told to stop`)
      life.process.run(() => life.stop.abort())
    },
    killSlot: (number, why) => {
      const life = slots[number]?.running
      if (life && spend()) kill(life.process, why)
    },
    freeze: (number, ms) => {
      const life = slots[number]?.running
      if (life?.process.state() !== 'running' || !spend()) return
      trace.tell(`${life.process.name} is frozen for ${ms} ms`)
      trace.count('daemon frozen')
      world.judge.incident(life.process)
      life.process.freeze()
      time.after(ms, () => thaw(life))
    },
    loseDisk: number => {
      const slot = slots[number]
      if (!slot?.running || !spend()) return
      trace.count('state file lost')
      kill(slot.running.process, 'and its state file is lost')
      slot.disk = newDisk(number)
    },
    spend,
    nameOf: number => slots[number]?.running?.process.name,
    thawAll: () => {
      for (const { running } of slots) if (running) thaw(running)
    },
    finish: () => {
      finishing = true
      for (const { running } of slots) running?.process.run(() => running.stop.abort())
    },
    running: () => slots.filter(({ running }) => running !== null).length,
    workerOf: process => lives.get(process)?.slot.disk.worker ?? '',
    inheritedBy: worker => disks.get(worker)?.inherited,
    isStopping: process => lives.get(process)?.stop.signal.aborted ?? true,
    thawedAt: process => lives.get(process)?.thawedAt ?? 0,
    kill,
    mayKill: (process, why) => {
      if (left > 0 && !world.calm && random.chance(0.01) && spend()) kill(process, why)
    },
  }

  function thaw(life: Life): void {
    if (life.process.state() !== 'frozen') return
    trace.tell(`${life.process.name} goes on`)
    world.judge.incident(life.process)
    life.thawedAt = time.now()
    life.process.thaw()
  }
}

const realStart = Actor.prototype.start

function watchActors(note: (actor: AnyActor) => void): void {
  Actor.prototype.start = function start(this: AnyActor) {
    note(this)
    return realStart.call(this)
  }
}

export function stopWatchingActors(): void {
  Actor.prototype.start = realStart
}
