import assert from 'node:assert/strict'
import { after, describe, test } from 'node:test'
import { normalizeJson, numberText } from '../../../src/local/realtime/jsonb.ts'
import { valueText } from '../../../src/local/realtime/values.ts'
import { realtimeDatabase } from './support.ts'

/** Values whose JSON PostgreSQL itself can tell, by to_jsonb, which the real server uses. */
const SAMPLES: Readonly<Record<string, readonly string[]>> = {
  int2: ['-32768'],
  int8: ['9223372036854775807', '-1'],
  numeric: ['12345678901234567890.123456789', '0.10', '-7', '1e-12'],
  float4: ['0.1', '1e20', '-2.5e-5'],
  float8: ['1.5e300', '5e-324', '-0.000001', '123456789.125', '1e15', '1e16'],
  bool: ['true', 'false'],
  text: ['', 'line\n"q" é 😀 \\ \u0001', 'null', '{not,an,array}'],
  varchar: ['v'],
  'char(4)': ['ab'],
  uuid: ['A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'],
  timestamptz: [
    '2026-01-02 03:04:05.678901+02',
    '2026-01-02 03:04:05+00',
    'infinity',
    '0044-03-15 12:00:00+00 BC',
  ],
  timestamp: ['2026-01-02 03:04:05.6', '-infinity'],
  date: ['2026-02-03'],
  time: ['23:59:59.5'],
  interval: ['1 year 2 days 03:04:05'],
  jsonb: ['{"b": 1, "a": [1.50, 1e3, null, "x"]}', '"text"', '12345678901234567890'],
  json: [
    '{"b":1,"aa":{"z":1, "y":2},  "a":[ 1.50,-1E3,1e-3,null,true,"x\\u0041"],"b":9007199254740993}',
    '[]',
    '{}',
    '-0.5',
  ],
  'text[]': ['{x,"y,z",NULL,"NULL","a \\"b\\" \\\\",""}', '{}', '{{a,b},{c,d}}', '[2:3]={a,b}'],
  'int8[]': ['{1,9007199254740993,NULL}'],
  'timestamptz[]': ['{"2026-01-02 03:04:05+00"}'],
  'jsonb[]': ['{"{\\"a\\": 1}"}'],
  'box[]': ['{(1,1),(0,0);(2,2),(1,1)}'],
  oid: ['4294967295'],
  xid8: ['18446744073709551615'],
  mood: ['HAPPY'],
  inet: ['10.0.0.0/8'],
  int4range: ['[1,5)'],
}

describe('values are written as to_jsonb writes them', async () => {
  const database = await realtimeDatabase({ after })
  for (const [type, samples] of Object.entries(SAMPLES)) {
    test(type, async () => {
      for (const sample of samples) {
        const [row] = await database.sql(
          `with settings as materialized (
             select set_config('TimeZone', 'UTC', true), set_config('DateStyle', 'ISO', true))
           select format('%s', v.v) as text, to_jsonb(v.v)::text as json, t.typname as name, e.typname as element, e.typdelim as delimiter
             from settings, (select $1::text::${type} as v) v, pg_type t
             left join pg_type e on e.oid = t.typelem and t.typcategory = 'A'
            where t.oid = pg_typeof(v.v)`,
          [sample],
        )
        const element = row?.element
          ? { name: String(row.element), delimiter: String(row.delimiter) }
          : undefined
        const ours = valueText(
          { name: String(row?.name), ...(element ? { element } : {}) },
          String(row?.text),
        )
        assert.equal(ours, row?.json, `${type} ${sample}`)
      }
    })
  }

  test('json as jsonb keeps it', async () => {
    const text = '{"long key":1,"b":{"é":1,"zz":2},"a":[1e2,12345678901234567890]}'
    const [row] = await database.sql('select $1::jsonb::text as json', [text])
    assert.equal(normalizeJson(text), row?.json)
  })
})

test('bytea is hex without its prefix, and what is no number in JSON is null', () => {
  assert.equal(valueText({ name: 'bytea' }, '\\xdeadbeef'), '"deadbeef"')
  assert.equal(valueText({ name: 'float8' }, 'NaN'), 'null')
  assert.equal(valueText({ name: 'numeric' }, '-Infinity'), 'null')
})

test('numbers lose their exponent and nothing else', () => {
  const cases = {
    '1e+3': '1000',
    '1.5e-7': '0.00000015',
    '-2.50': '-2.50',
    '12.5e1': '125',
    '1.25e1': '12.5',
  }
  for (const [text, plain] of Object.entries(cases)) assert.equal(numberText(text), plain)
})
