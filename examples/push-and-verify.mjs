// A producer and an auditor in one file: push records, keep their receipts, check them on the chain.
// Against `npm start`:
//   HOLDFAST_API_KEY=$(cat .holdfast/api-key) node examples/push-and-verify.mjs
import { createHoldfastClient, verifyReceipt } from 'holdfast-client'

const {
  HOLDFAST_URL: url = 'http://127.0.0.1:8080',
  HOLDFAST_API_KEY: apiKey,
  RPC_URL: rpcUrl = 'http://127.0.0.1:8545',
} = process.env

const shipments = [
  { shipment: 'S-2047', product: 'Amoxicillin 500 mg', batch: 'AMX-0912', quantity: 4800, minCelsius: 3.5 },
  { shipment: 'S-2048', product: 'Insulin glargine', batch: 'INS-0077', quantity: 960, minCelsius: 2.1 },
]

// The producer: hashes are made here, and only they leave.
const holdfast = createHoldfastClient({ url, ...(apiKey ? { apiKey } : {}) })
const { hashes, anchorBy } = await holdfast.pushRecords(shipments)
console.log(`${hashes.length} hashes stored, to be anchored by ${anchorBy}`)
const receipts = []
for (const hash of hashes) receipts.push(await holdfast.waitFor(hash, 'anchored'))

// The auditor: a receipt, the record as it is shown today, and an endpoint of the auditor's own choice.
const check = (receipt, record) => verifyReceipt(receipt, { rpc: () => rpcUrl, record })
for (const [i, receipt] of receipts.entries()) {
  const { valid, headline } = await check(receipt, shipments[i])
  console.log(`${shipments[i].shipment}: ${headline}`)
  if (!valid) process.exitCode = 1
}

const altered = await check(receipts[0], { ...shipments[0], quantity: 4801 })
console.log(`the same with another quantity: ${altered.valid ? 'NOT NOTICED' : 'does not match its receipt'}`)
if (altered.valid) process.exitCode = 1
