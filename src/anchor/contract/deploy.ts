import { setTimeout as pause } from 'node:timers/promises'
import { formatUnits, Transaction } from 'ethers'
import type { Ask } from 'holdfast-client/rpc-values'
import type { FeeLimits } from '../../core/chain-config.ts'
import { HoldfastError } from '../../core/errors.ts'
import { type Hex, toHex } from '../../core/hash.ts'
import { giveNonceBack, openAccount, readAccount, setNonceAside } from '../../store/chain/accounts.ts'
import type { Pool } from '../../store/connection/database.ts'
import { dataFeeOf } from '../fees/data-fee.ts'
import { estimateGas } from '../fees/estimate-gas.ts'
import { chooseGasLimit, leastGas } from '../fees/gas-limit.ts'
import { type Demands, quoteFees } from '../fees/quote.ts'
import { demandOf } from '../fees/refusal.ts'
import { orNull } from '../optional.ts'
import { balanceOf, hasCode, pendingNonceOf, receiptOf } from '../rpc/chain-reads.ts'
import type { Endpoints } from '../rpc/endpoints.ts'
import { type SignedTransaction, type Signer, signChecked } from '../signers/signer.ts'
import {
  REGISTRY_ADDRESS,
  REGISTRY_BYTECODE,
  REGISTRY_DEPLOYER,
  REGISTRY_SALT,
} from './registry.generated.ts'

const POLL_MS = 500

/**
 * Puts the registry where it is on every chain, through the CREATE2 deployer. Does nothing when it is there. A daemon
 * that waits for the registry signs nothing meanwhile; its account's next nonce moves on past the deployment's. A nonce
 * that may belong to one of its transactions is never taken.
 * @param options.pool the daemon's migrated database, so that the deployment is not taken for a stranger's use of
 *   the key; may be left out while no daemon has used it
 * @throws HoldfastError INVALID_CONFIG when the chain has no deployer, the account no funds, or the account does not
 *   stand where the chain says; then nothing was sent. CHAIN_UNAVAILABLE when it was not mined within the time
 */
export async function deployRegistry(options: {
  endpoints: Endpoints
  chainId: number
  signer: Signer
  fees: FeeLimits
  maxGas: number
  pool?: Pool
  withinMs?: number
}): Promise<{ address: string; transactionHash: Hex | null }> {
  const { endpoints, chainId, signer, pool } = options
  const { ask } = await endpoints.view()
  if (await hasCode(ask, REGISTRY_ADDRESS)) return { address: REGISTRY_ADDRESS, transactionHash: null }
  if (!(await hasCode(ask, REGISTRY_DEPLOYER))) {
    throw new HoldfastError(
      'INVALID_CONFIG',
      `Chain ${chainId} has no CREATE2 deployer at ${REGISTRY_DEPLOYER}. Have it deployed (github.com/Arachnid/deterministic-deployment-proxy), or deploy contracts/AnchorRegistry.sol yourself and name it as the chain's \`registry\`.`,
    )
  }
  const nonce = await pendingNonceOf(ask, signer.address)
  if (pool !== undefined) await requireFreeNonce(pool, chainId, signer.address, nonce)
  const first = await signDeployment(ask, options, nonce, NOTHING_KNOWN)
  const aside = pool !== undefined && (await setNonceAside(pool, chainId, signer.address, nonce))
  // Signing takes its time: a daemon may have made the account known, or taken the nonce, meanwhile.
  if (pool !== undefined && !aside) await requireFreeNonce(pool, chainId, signer.address, nonce, 'unknown')
  const hash = await sendDeployment(ask, options, nonce, first).catch(async (error: unknown) => {
    if (aside && isConfigFault(error)) await giveNonceBack(pool, chainId, signer.address, nonce)
    throw error
  })
  await untilDeployed(endpoints, hash, options.withinMs ?? 120_000)
  return { address: REGISTRY_ADDRESS, transactionHash: `0x${hash.toString('hex')}` }
}

/** What refusals have told: which transactions the chain takes, and for how much. */
type Known = { legacyOnly: boolean; demands: Demands }

const NOTHING_KNOWN: Known = { legacyOnly: false, demands: { tip: 0n, price: 0n, cap: 0n } }

/**
 * Sends, and signs anew where the refusal says how it would be taken. Its hash, once it may have been taken.
 * @throws HoldfastError INVALID_CONFIG when it was refused, and no endpoint has it
 */
async function sendDeployment(
  ask: Ask,
  options: Parameters<typeof deployRegistry>[0],
  nonce: number,
  first: SignedTransaction,
): Promise<Buffer> {
  let signed = first
  let known = NOTHING_KNOWN
  for (;;) {
    const outcome = await options.endpoints.send(signed.raw)
    if (outcome.kind !== 'refused') return signed.hash
    const told = knownAfter(known, outcome.message, signed.raw)
    if (told === null) {
      throw new HoldfastError('INVALID_CONFIG', `The deployment was refused: ${outcome.message}`)
    }
    known = told
    signed = await signDeployment(ask, options, nonce, known)
  }
}

/** What is known after this refusal, or null when it tells nothing more. */
function knownAfter({ legacyOnly, demands }: Known, message: string, raw: Buffer): Known | null {
  const demand = demandOf(message, Number(Transaction.from(toHex(raw)).gasLimit))
  const more = {
    tip: demand.tip ?? demands.tip,
    price: demand.price ?? demands.price,
    cap: demand.cap ?? demands.cap,
  }
  const isMore = more.tip > demands.tip || more.price > demands.price || more.cap > demands.cap
  if (!isMore && (legacyOnly || !demand.legacyOnly)) return null
  return { legacyOnly: legacyOnly || demand.legacyOnly, demands: more }
}

function isConfigFault(error: unknown): error is HoldfastError {
  return error instanceof HoldfastError && error.code === 'INVALID_CONFIG'
}

/** Passes when the account is `unknown` or, unless it has to be, when the nonce is its next one. */
async function requireFreeNonce(
  pool: Pool,
  chainId: number,
  address: string,
  nonce: number,
  must: 'unknown' | 'fit' = 'fit',
): Promise<void> {
  const account = await readAccount(pool, chainId, address)
  if (account === null) return
  // Nothing was signed with it yet: it follows the chain.
  if (!account.confirmed) return openAccount(pool, chainId, address, nonce, false)
  const { nextNonce } = account
  if (nextNonce === nonce && must === 'fit') return
  const why =
    nextNonce > nonce
      ? `Holdfast has signed with ${address} up to nonce ${nextNonce - 1} on chain ${chainId}, and the node knows of nothing past ${nonce - 1}: a transaction is on its way. Wait until \`holdfast anchors list\` shows none that is submitted, then deploy again`
      : `The chain holds or expects ${nonce} transactions of ${address}, and Holdfast signed ${nextNonce} of them on chain ${chainId}: something else uses this key, or used it since. See \`holdfast anchors list\` and, once you know what did, \`holdfast anchors resume\``
  throw new HoldfastError(
    'INVALID_CONFIG',
    `${why}; or deploy with another key, whose address does not matter to the registry. Nothing was sent.`,
  )
}

async function signDeployment(
  ask: Ask,
  { chainId, signer, fees, maxGas }: { chainId: number; signer: Signer; fees: FeeLimits; maxGas: number },
  nonce: number,
  known: Known,
): Promise<SignedTransaction> {
  const data = `${REGISTRY_SALT}${REGISTRY_BYTECODE.slice(2)}` as Hex
  const call = { to: REGISTRY_DEPLOYER, data }
  const gas = chooseGasLimit({
    least: leastGas(data),
    estimate: await estimateGas(ask, { ...call, from: signer.address }),
    maxGas,
  })
  if (gas.kind === 'over') {
    const detail = `Deploying the registry on chain ${chainId} takes ${gas.needed} gas or more; chains[].maxGas is ${maxGas}.`
    throw new HoldfastError('INVALID_CONFIG', detail)
  }
  const { gasLimit } = gas
  const { offer, forbidden } = await quoteFees(ask, fees, known)
  if (forbidden !== null) {
    const detail = `Chain ${chainId} takes no transaction for less than ${formatUnits(forbidden.wanted, 'gwei')} gwei; fees.${forbidden.limit} is ${fees[forbidden.limit]}.`
    throw new HoldfastError('INVALID_CONFIG', detail)
  }
  const payload = { ...call, gasLimit }
  const dataFee = await orNull(dataFeeOf(ask, payload, { noDataFee: false }))
  const worst = BigInt(gasLimit) * offer.maxFeePerGas + (dataFee ?? 0n)
  const balance = await orNull(balanceOf(ask, signer.address))
  if (balance !== null && balance < worst) {
    throw new HoldfastError(
      'INVALID_CONFIG',
      `${signer.address} holds ${balance} wei on chain ${chainId}; deploying the registry may cost up to ${worst} wei. Send it funds.`,
    )
  }
  const common = { chainId, nonce, ...payload }
  return signChecked(
    signer,
    offer.legacy
      ? { ...common, type: 0, gasPrice: offer.maxFeePerGas }
      : {
          ...common,
          type: 2,
          maxFeePerGas: offer.maxFeePerGas,
          maxPriorityFeePerGas: offer.maxPriorityFeePerGas,
        },
  )
}

async function untilDeployed(endpoints: Endpoints, hash: Buffer, withinMs: number): Promise<void> {
  const deadline = performance.now() + withinMs
  let fault: unknown
  while (performance.now() < deadline) {
    try {
      const { ask } = await endpoints.view()
      const receipt = await receiptOf(ask, hash)
      // Somebody else's deployment of the same bytes is as good.
      if (await hasCode(ask, REGISTRY_ADDRESS)) return
      if (receipt !== null && !receipt.succeeded) {
        throw new HoldfastError('INVALID_CONFIG', 'The deployment failed on the chain (status 0).')
      }
    } catch (error) {
      if (isConfigFault(error)) throw error
      fault = error
    }
    await pause(POLL_MS)
  }
  throw new HoldfastError('CHAIN_UNAVAILABLE', `The deployment was not mined within ${withinMs} ms.`, {
    retryAfter: 30,
    cause: fault,
  })
}
