import { IncomingMessage, type ServerResponse } from 'node:http'

/** Smaller pieces of a body are gathered. */
const SMALL_BYTES = 4096
const GATHERED_BYTES = 16 * 1024
const GROWTH = 4
/** How long a small piece may wait for the next. The end of the body waits for nothing. */
const GATHER_MS = 10

/**
 * A request whose body is gathered before it is queued. A client may send it in chunks or segments of one byte; Node
 * would make a Buffer of each, some 200 bytes of memory, and tell every reader of it.
 */
export class GatheringRequest extends IncomingMessage {
  /** Bytes of the body that came, read or not. */
  bodyBytes = 0
  /** Why the rest of the body does not come, where that is known and the connection still stands. */
  bodyFault: Error | undefined
  /** The answer to a client that waits for `100 Continue` before it sends the body. */
  private waiting: ServerResponse | undefined
  private gathered: Buffer | undefined
  private gatheredBytes = 0
  private timer: NodeJS.Timeout | undefined

  override push(piece: Buffer | null, encoding?: BufferEncoding): boolean {
    if (piece === null) {
      this.handOn()
      return super.push(null, encoding)
    }
    this.bodyBytes += piece.length
    if (this.gatheredBytes === 0 && (piece.length >= SMALL_BYTES || this.isWhole(piece)))
      return super.push(piece)
    if (this.gatheredBytes + piece.length > GATHERED_BYTES) this.handOn()
    if (piece.length >= GATHERED_BYTES) return super.push(piece)
    this.gather(piece)
    return this.readableLength + this.gatheredBytes < this.readableHighWaterMark
  }

  /** Sends `100 Continue` when the body is first read. An answer before that ends the connection: no body will come. */
  awaitContinue(response: ServerResponse): void {
    this.waiting = response
    response.shouldKeepAlive = false
  }

  get awaitsContinue(): boolean {
    return this.waiting !== undefined
  }

  override _read(size: number): void {
    const { waiting } = this
    this.waiting = undefined
    if (waiting !== undefined && !waiting.headersSent) {
      waiting.shouldKeepAlive = true
      waiting.writeContinue()
    }
    super._read(size)
  }

  /** Tells the reader of the body that the rest does not come. A reader that comes later looks at `bodyFault`. */
  failBody(fault: Error): void {
    if (this.bodyFault !== undefined) return
    this.bodyFault = fault
    if (this.listenerCount('error') > 0) this.emit('error', fault)
  }

  private isWhole(piece: Buffer): boolean {
    return this.bodyBytes === piece.length && Number(this.headers['content-length']) === piece.length
  }

  private gather(piece: Buffer): void {
    const needed = this.gatheredBytes + piece.length
    if (this.gathered === undefined || needed > this.gathered.length) {
      const grown = Buffer.allocUnsafeSlow(Math.min(GATHERED_BYTES, Math.max(1024, needed * GROWTH)))
      this.gathered?.copy(grown, 0, 0, this.gatheredBytes)
      this.gathered = grown
    }
    piece.copy(this.gathered, this.gatheredBytes)
    this.gatheredBytes = needed
    this.timer ??= setTimeout(() => this.handOn(), GATHER_MS)
  }

  private handOn(): void {
    if (this.gathered === undefined) return
    clearTimeout(this.timer)
    this.timer = undefined
    const gathered = this.gathered.subarray(0, this.gatheredBytes)
    const bytes = gathered.length * GROWTH < this.gathered.length ? Buffer.from(gathered) : gathered
    this.gathered = undefined
    this.gatheredBytes = 0
    if (!this.destroyed) super.push(bytes)
  }
}
