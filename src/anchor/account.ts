/** In: a key, and what the chain says of it. Out: the account with the nonce that the next transaction takes. */
import { type Account, openAccount, readAccount } from '../store/chain/accounts.ts'
import { inLease } from '../store/connection/lease-transaction.ts'
import type { AnchorContext } from './context.ts'
import type { Sight } from './inspect.ts'
import { otherViews } from './others.ts'
import { pendingNonceOf } from './rpc/chain-reads.ts'
import { isEndpointFault } from './rpc/faults.ts'
import { isGone, wasThereBefore } from './second-look.ts'

/**
 * The account, made known the first time this key is used. Its first nonce is the highest that an endpoint tells, and is
 * certain once two endpoints tell the same, or one does at two blocks. Until then, and until the first transaction is
 * signed, it follows the chain: a node that lagged costs nothing.
 * @throws what `sight.ask` throws; LEASE_LOST
 */
export async function settleAccount(context: AnchorContext, sight: Sight): Promise<Account> {
  const { pool, lease, chain, signer } = context
  const known = await readAccount(pool, chain.chainId, signer.address)
  if (known?.confirmed) return known
  const { nonce, certain } = await firstNonce(context, sight)
  if (known !== null && known.nextNonce !== nonce) {
    context.logger.warn(
      { chainId: chain.chainId, was: known.nextNonce, nonce },
      'the first nonce is corrected',
    )
  }
  await inLease(pool, lease, (client) => openAccount(client, chain.chainId, signer.address, nonce, certain))
  return requireAccount(context)
}

/** The account as it stands now. */
export async function requireAccount({ pool, chain, signer }: AnchorContext): Promise<Account> {
  const account = await readAccount(pool, chain.chainId, signer.address)
  if (account === null) throw new Error(`the account ${signer.address} is gone`)
  return account
}

const FIRST_NONCE = 'the first nonce is '

async function firstNonce(
  context: AnchorContext,
  sight: Sight,
): Promise<{ nonce: number; certain: boolean }> {
  const { address } = context.signer
  const told = [await pendingNonceOf(sight.ask, address)]
  for (const view of await otherViews(context, sight)) {
    try {
      told.push(await pendingNonceOf(view.ask, address))
    } catch (error) {
      if (!isEndpointFault(error)) throw error
    }
  }
  const nonce = Math.max(...told)
  if (told.filter((each) => each === nonce).length > 1) return { nonce, certain: true }
  const finding = `${FIRST_NONCE}${nonce}`
  for (const earlier of context.memory.findings.keys()) {
    if (earlier.startsWith(FIRST_NONCE) && earlier !== finding) isGone(context, earlier)
  }
  return { nonce, certain: wasThereBefore(context, sight, finding) }
}
