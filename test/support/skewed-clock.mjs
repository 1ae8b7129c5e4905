/**
 * Preloaded by a process that is to have a wrong clock (`--import`, in its threads too): `Date` is `CLOCK_SHIFT_MS` off.
 * What counts time since some start, as `performance.now()` does, is not touched, as with a real clock.
 */
const shiftMs = Number(process.env.CLOCK_SHIFT_MS ?? 0)
const RealDate = Date

class SkewedDate extends RealDate {
  constructor(...args) {
    if (args.length === 0) super(RealDate.now() + shiftMs)
    else super(...args)
  }

  static now() {
    return RealDate.now() + shiftMs
  }
}

globalThis.Date = SkewedDate
