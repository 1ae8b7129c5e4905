import type { Ask } from 'holdfast-client/rpc-values'

/**
 * Asks each question once, and gives its answer to whoever asks it again. Failures are asked anew. For the length of
 * one look: what it decides rests on one state of the chain, and costs fewer calls.
 */
export function rememberAnswers(ask: Ask): Ask {
  const answers = new Map<string, Promise<unknown>>()
  return (method, params) => {
    const question = `${method} ${JSON.stringify(params)}`
    const known = answers.get(question)
    if (known !== undefined) return known
    const answer = ask(method, params)
    answers.set(question, answer)
    answer.catch(() => answers.delete(question))
    return answer
  }
}
