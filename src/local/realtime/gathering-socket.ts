import { Socket } from 'node:net'

/** More than comes during a rest. */
const BUFFER_BYTES = 262_144

/**
 * A socket whose `pause` leaves what comes with the kernel; Node's other sockets go on reading 64 KB ahead, a packet at
 * a time. For the driver it is like any other: each read is a chunk of its own memory.
 */
export function gatheringSocket(): Socket {
  const socket: Socket = new Socket({
    onread: {
      buffer: Buffer.allocUnsafeSlow(BUFFER_BYTES),
      callback(length, buffer) {
        socket.emit('data', Buffer.from(buffer.subarray(0, length)))
        return true
      },
    },
  })
  return socket
}
