import { HoldfastError } from '../core/errors.ts'
import type { AnchorContext } from './context.ts'
import type { Sight } from './inspect.ts'
import type { ChainView } from './rpc/endpoints.ts'

/** The chain as the endpoints besides the look's own show it now; none where no other answers. */
export async function otherViews({ endpoints }: AnchorContext, sight: Sight): Promise<ChainView[]> {
  try {
    return await endpoints.views(sight.endpoint)
  } catch (error) {
    if (!(error instanceof HoldfastError)) throw error
    return []
  }
}
