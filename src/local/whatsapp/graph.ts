import type { IncomingMessage, ServerResponse } from 'node:http'
import { setTimeout as wait } from 'node:timers/promises'
import type { FaultBoard } from './fault-board.ts'
import type { GraphRequest, GraphRule } from './faults.ts'
import { type GraphErrorAnswer, graphError, objectMissing, withMessage } from './graph-errors.ts'
import { answerHtml, answerJson, bearerOf, type Handler, targetOf } from './loopback-server.ts'
import type { MediaItem, MediaShelf } from './media-shelf.ts'
import type { RequestCounts } from './request-counts.ts'
import { usageHeaders } from './usage-headers.ts'

/** The one token that counts, changeable while the simulator runs. */
export interface SimulatedToken {
  value: string
  /** Unix seconds; 0: never, as with Meta's system user tokens. */
  expiresAt: number
}

export interface GraphParts {
  readonly token: SimulatedToken
  readonly phoneNumberIds: ReadonlySet<string>
  readonly shelf: MediaShelf
  readonly faults: FaultBoard
  readonly requests: RequestCounts
  readonly now: () => number
  /** A fresh link to that file on the media host. */
  readonly linkTo: (mediaId: string) => string
}

interface Question {
  readonly sort: GraphRequest
  /** The media id or phone number id that was asked for. */
  readonly id: string
  readonly query: URLSearchParams
}

const SUBCODE_EXPIRED = 463

/** The Graph API, read-only: media ids, phone number ids (the neutral probe) and `debug_token`. */
export function graphApi(parts: GraphParts): Handler {
  return async (request, response) => {
    const target = targetOf(request)
    const path = /^\/v\d+\.\d+\/([^/]+)\/?$/.exec(target.pathname)?.[1]
    if (request.method !== 'GET' || path === undefined) {
      parts.requests.graph.other += 1
      const answer = withMessage(graphError(2500), `Unknown path components: ${target.pathname}`)
      return answerJson(response, answer.status, answer.body)
    }
    const question = { sort: sortOf(path, parts), id: decodeURIComponent(path), query: target.searchParams }
    parts.requests.graph[question.sort] += 1
    await answerQuestion(parts, question, request, response)
  }
}

function sortOf(path: string, { phoneNumberIds }: GraphParts): GraphRequest {
  if (path === 'debug_token') return 'debug_token'
  return phoneNumberIds.has(path) ? 'probe' : 'media'
}

async function answerQuestion(
  parts: GraphParts,
  question: Question,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const refused = tokenTrouble(parts, bearerOf(request))
  if (refused !== null) {
    parts.requests.graph.unauthorised += 1
    return answerJson(response, refused.status, refused.body)
  }
  const rules = parts.faults.takeGraph(question.sort, question.sort === 'media' ? question.id : null)
  const headers = Object.assign({}, ...rules.map(usageHeaders))
  for (const rule of rules) {
    switch (rule.fault) {
      case 'usage':
      case 'metadata':
        break
      case 'delay':
        await wait(rule.ms, undefined, { ref: false })
        break
      case 'stalled':
        return
      case 'reset':
        request.socket.resetAndDestroy()
        return
      case 'html':
        return answerHtml(response, 200, headers)
      case 'status':
        return answerHtml(response, rule.status, headers)
      case 'error': {
        const { status, body } = asked(rule, question)
        return answerJson(response, status, body, headers)
      }
    }
  }
  const { status, body } = ordinaryAnswer(parts, question, rules)
  answerJson(response, status, body, headers)
}

function asked(rule: Extract<GraphRule, { fault: 'error' }>, { id }: Question): GraphErrorAnswer {
  return rule.code === 100 && rule.subcode === 33
    ? objectMissing(id)
    : graphError(rule.code, rule.subcode, rule.status)
}

function tokenTrouble({ token, now }: GraphParts, bearer: string | null): GraphErrorAnswer | null {
  if (bearer === null) return graphError(104)
  if (bearer !== token.value) return graphError(190)
  if (token.expiresAt === 0 || now() < token.expiresAt * 1000) return null
  return withMessage(graphError(190, SUBCODE_EXPIRED), 'Error validating access token: Session has expired')
}

function ordinaryAnswer(parts: GraphParts, question: Question, rules: readonly GraphRule[]) {
  const { sort, id, query } = question
  if (sort === 'debug_token') return { status: 200, body: debugToken(parts, query.get('input_token')) }
  if (sort === 'probe') return { status: 200, body: { id } }
  const item = parts.shelf.get(id)
  if (item === undefined) return objectMissing(id)
  // Harsher than Meta, where the parameter breaks inbound media of some numbers only: nobody should send it.
  if (query.has('phone_number_id')) return graphError(100)
  item.resolved += 1
  return { status: 200, body: mediaAnswer(item, parts.linkTo(id), rules) }
}

function mediaAnswer(item: MediaItem, url: string, rules: readonly GraphRule[]) {
  const answer: Record<string, string | number> = {
    messaging_product: 'whatsapp',
    url,
    mime_type: item.mimeType,
    sha256: item.sha256,
    file_size: item.size,
    id: item.id,
  }
  for (const rule of rules) {
    if (rule.fault !== 'metadata') continue
    const size = rule.fileSize ?? item.size
    answer.file_size = rule.fileSizeAs === 'string' ? String(size) : size
    if (rule.sha256 !== undefined) answer.sha256 = rule.sha256
    if (rule.mimeType !== undefined) answer.mime_type = rule.mimeType
    for (const field of rule.omit ?? []) delete answer[field]
  }
  return answer
}

/** As in Meta's reference of `/debug_token`; a token that it does not know is an answer, not an error. */
function debugToken({ token, now }: GraphParts, input: string | null) {
  if (input !== token.value) {
    const { code, message } = graphError(190).body.error
    return { data: { error: { code, message }, is_valid: false, scopes: [] } }
  }
  return {
    data: {
      app_id: '634974688087057',
      type: 'SYSTEM_USER',
      application: 'mediaferry',
      data_access_expires_at: token.expiresAt,
      expires_at: token.expiresAt,
      is_valid: token.expiresAt === 0 || now() < token.expiresAt * 1000,
      scopes: ['whatsapp_business_management', 'whatsapp_business_messaging'],
    },
  }
}
