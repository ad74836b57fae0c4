import { z } from 'zod'
import { errorShape } from '../api-shapes.ts'
import type { Route } from './routes.ts'

/** The routes as OpenAPI 3.1, whose schemas are JSON Schema 2020-12. */
export function openApi(routes: readonly Route[], version: string) {
  const paths: Record<string, Record<string, unknown>> = {}
  for (const route of routes) {
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operation(route) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'mediaferry',
      version,
      description:
        'What the dashboard asks. With OPS_TOKEN every route wants it, as a bearer token or as the cookie of POST /login. A request that changes something is JSON and names its own origin.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    security: [{}, { bearer: [] }, { session: [] }],
    paths,
    components: {
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'OPS_TOKEN.' },
        session: { type: 'apiKey', in: 'cookie', name: 'mediaferry_ops', description: 'Set by POST /login.' },
      },
      schemas: { Error: schemaOf(errorShape) },
    },
  }
}

function operation({ method, path, summary, query, body, answer, also = {} }: Route) {
  const parameters = [
    ...(path.includes('{id}')
      ? [{ name: 'id', in: 'path', required: true, schema: { type: 'integer', minimum: 1 } }]
      : []),
    ...(query === undefined ? [] : queryParameters(query)),
  ]
  const described = Object.entries(also).map(([status, description]) => [
    status,
    Number(status) < 400 ? { description } : errorAnswer(description),
  ])
  return {
    summary,
    operationId: operationId(method, path),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined
      ? {}
      : { requestBody: { content: { 'application/json': { schema: schemaOf(body, 'input') } } } }),
    responses: {
      ...(answer === undefined ? {} : { 200: okAnswer(answer) }),
      ...Object.fromEntries(described),
      ...(path.includes('{id}') ? { 404: errorAnswer('There is no such attachment, or no such file.') } : {}),
      default: errorAnswer('What is wrong, and what to do next.'),
    },
  }
}

const okAnswer = (answer: z.ZodType | 'text/event-stream') =>
  answer === 'text/event-stream'
    ? { description: 'Events `summary`.', content: { 'text/event-stream': { schema: { type: 'string' } } } }
    : { description: 'OK', content: { 'application/json': { schema: schemaOf(answer) } } }

const errorAnswer = (description: string) => ({
  description,
  content: { 'application/json': { schema: { $ref: '#/components/schemas/Error' } } },
})

function queryParameters(query: z.ZodObject) {
  const { properties = {}, required = [] } = z.toJSONSchema(query, { io: 'input' })
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: 'query',
    ...(required.includes(name) ? { required: true } : {}),
    schema,
  }))
}

function schemaOf(shape: z.ZodType, io: 'input' | 'output' = 'output') {
  const { $schema: _version, ...schema } = z.toJSONSchema(shape, { io })
  return schema
}

const operationId = (method: string, path: string): string =>
  [method.toLowerCase(), ...path.split('/').slice(2)]
    .map((word, at) => {
      const plain = word.replace(/[{}]/g, '')
      return at === 0 ? plain : plain.charAt(0).toUpperCase() + plain.slice(1)
    })
    .join('')
