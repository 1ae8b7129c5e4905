/**
 * For fault tests: what happens at the named instants that the steps announce. `HOLDFAST_FAULT_POINT=before-send` kills
 * the process there as `kill -9` would; `before-send:stop` suspends it once, until somebody sends SIGCONT.
 */
export function faultAt(wanted: string | null | undefined): ((name: string) => void) | undefined {
  if (wanted === null || wanted === undefined || wanted === '') return undefined
  const [point, how] = wanted.split(':')
  let done = false
  return (name) => {
    if (done || name !== point) return
    done = true
    process.kill(process.pid, how === 'stop' ? 'SIGSTOP' : 'SIGKILL')
    // The signal takes a moment to reach every thread; this one must not get past the instant meanwhile.
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100)
  }
}
