/**
 * Loaded into a daemon (`--import`) that shall die at its next write of the cursor. `during`: within the statement,
 * by a trigger that SQLite runs when the row is changed and nothing of it written. `after`: the write is in the
 * journal, and nothing came later.
 */
import Database from 'better-sqlite3'

const { KILL_AT_CURSOR: point } = process.env
const prepare: (this: Database.Database, sql: string) => Database.Statement<unknown[]> =
  Database.prototype.prepare

const die = (): number => {
  process.kill(process.pid, 'SIGKILL')
  return 0
}

Object.defineProperty(Database.prototype, 'prepare', {
  value(this: Database.Database, sql: string) {
    const writesCursor = sql.startsWith('insert or replace into cursor')
    if (writesCursor && point === 'during') {
      this.function('die', die)
      this.exec('create temp trigger dying after insert on main.cursor begin select die(); end')
    }
    const statement = prepare.call(this, sql)
    if (writesCursor && point === 'after') {
      const run = statement.run.bind(statement)
      Object.defineProperty(statement, 'run', {
        value: (...values: unknown[]) => {
          run(...values)
          die()
        },
      })
    }
    return statement
  },
})
