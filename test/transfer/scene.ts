import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { TransferError } from '../../src/transfer/index.ts'
import { claimOf, fakeMeta, fakeStorage, patient, type TestServer, transferBetween } from './servers.ts'

type Changes = Parameters<typeof transferBetween>[3]

/** A Meta that serves these bytes, a Storage, and a transfer that carries from one to the other. */
export async function scene(t: TestContext, bytes: Buffer, changes: Changes = {}) {
  const meta = await fakeMeta(t, bytes)
  const storage = await fakeStorage(t)
  const transfer = transferBetween(t, meta, storage, changes)
  const copy = async (claim = claimOf(), signal = patient()) =>
    transfer.copy(claim, await transfer.resolve(claim, signal), signal)
  return { meta, storage, transfer, copy }
}

/** For assert.rejects: the error carries just this failure. */
export function failsWith(code: string, verdict: string, dependency?: string) {
  return (error: unknown) => {
    assert.ok(error instanceof TransferError, String(error))
    const { failure } = error
    assert.deepEqual([failure.code, failure.verdict], [code, verdict])
    if (dependency !== undefined) assert.equal('dependency' in failure && failure.dependency, dependency)
    return true
  }
}

/** Settles when a server has no connection left. */
export async function quiet({ sockets }: TestServer): Promise<void> {
  await Promise.all(
    [...sockets].map(socket =>
      socket.destroyed ? undefined : new Promise(resolve => socket.once('close', resolve)),
    ),
  )
}
