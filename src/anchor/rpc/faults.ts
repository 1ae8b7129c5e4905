import { RpcAnswerError, RpcTransportError } from 'holdfast-client/json-rpc'
import { MalformedAnswerError } from 'holdfast-client/rpc-values'

/** Another endpoint shows what this one lacks or denies. */
export class ContradictedAnswerError extends Error {
  override readonly name = 'ContradictedAnswerError'
}

/** Whether it is the endpoint that failed, so that another one may do better. */
export function isEndpointFault(error: unknown): error is Error {
  return (
    error instanceof RpcAnswerError ||
    error instanceof RpcTransportError ||
    error instanceof MalformedAnswerError ||
    error instanceof ContradictedAnswerError
  )
}
