import { counted, hashes } from '../core/counted.ts'
import { clientFor, LOOK_PATIENCE_MS } from './daemon-client.ts'
import { print } from './terminal.ts'

type Options = { url: string; key?: string; json?: boolean }

/** The parts of `/v1/status` that fit a terminal. */
type Status = {
  intake: { waitingToSeal: number; oldestReceivedAt: string | null }
  sealed: { leaves: number; batches: number; lastSealedAt: string | null }
  chains: {
    chainId: string
    address: string
    balanceWei: string | null
    nextTick: string | null
    anchorBy: string | null
    reason: string | null
    detail: string | null
    lastAnchor: {
      id: number
      state: string
      transactionHash: string | null
      blockNumber: number | null
    } | null
    inFlight: { id: number; state: string } | null
    finality?: { detail: string | null } | null
    backlog: { batches: number; leaves: number } | null
  }[]
}

export async function showStatus(options: Options): Promise<void> {
  const answer = await clientFor(options, LOOK_PATIENCE_MS).status()
  print(options.json ? JSON.stringify(answer, null, 2) : describeStatus(answer as unknown as Status))
}

export function describeStatus({ intake, sealed, chains }: Status): string {
  const lines = [
    `to seal   ${hashes(intake.waitingToSeal)}${intake.oldestReceivedAt ? `, the oldest from ${intake.oldestReceivedAt}` : ''}`,
    `sealed    ${hashes(sealed.leaves)} in ${batches(sealed.batches)}`,
  ]
  for (const chain of chains) {
    const { lastAnchor, inFlight, backlog } = chain
    lines.push('', `${chain.chainId}  as ${chain.address}, next tick ${chain.nextTick ?? '-'}`)
    lines.push(
      `  balance   ${chain.balanceWei === null ? 'unknown' : `${Number(chain.balanceWei) / 1e18} ETH`}`,
    )
    lines.push(
      `  waiting   ${backlog ? `${hashes(backlog.leaves)} in ${batches(backlog.batches)}` : 'unknown'}`,
    )
    if (inFlight) lines.push(`  in flight anchor ${inFlight.id}, ${inFlight.state}`)
    lines.push(
      lastAnchor
        ? `  last      anchor ${lastAnchor.id}, ${lastAnchor.state}, block ${lastAnchor.blockNumber}, ${lastAnchor.transactionHash}`
        : '  last      none yet',
    )
    if (chain.finality?.detail) lines.push(`  finality  ${chain.finality.detail}`)
    const why = chain.reason === null ? null : `${chain.reason}: ${chain.detail ?? ''}`
    if (chain.anchorBy !== null && Date.parse(chain.anchorBy) < Date.now())
      lines.push(`  LATE      since ${chain.anchorBy}: ${why ?? 'no reason is known; see holdfast doctor'}`)
    else if (why !== null) lines.push(`  waits     ${why}`)
  }
  return lines.join('\n')
}

function batches(count: number): string {
  return counted(count, 'batch', 'batches')
}
