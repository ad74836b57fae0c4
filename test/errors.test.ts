import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import fc from 'fast-check'
import { describeError, tidyText, UserError, withoutSecrets } from '../src/errors.ts'

test('a UserError carries its hint and its cause', () => {
  const cause = new Error('deep')
  const error = new UserError('It broke.', { hint: 'Mend it.', cause })
  assert.deepEqual(
    [error.name, error.message, error.hint, error.cause],
    ['UserError', 'It broke.', 'Mend it.', cause],
  )
  assert.equal('cause' in new UserError('plain'), false)
})

suite('tidyText', () => {
  test('mends what PostgreSQL refuses and a terminal obeys', () => {
    assert.equal(tidyText('a\u0000b\ud800c\u001b[31md\u009b'), 'a b\ufffdc [31md ')
    assert.equal(tidyText('kept:\ttab\nnewline 😀 ä'), 'kept:\ttab\nnewline 😀 ä')
  })

  test('cuts by code points, never through one', () => {
    assert.equal(tidyText('😀😀😀', 2), '😀😀')
    assert.equal(tidyText('a😀😀', 2), 'a😀')
    assert.equal(tidyText('abc', 3), 'abc')
    assert.equal(tidyText('x'.repeat(1000)).length, 500)
  })

  test('always answers well-formed text within the limit, a beginning of the whole', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('a', '😀', '\ud83d', '\ude00', '\u0000') }),
        fc.nat(8),
        (text, limit) => {
          const short = tidyText(text, limit)
          assert.ok(short.isWellFormed())
          assert.deepEqual(Array.from(short), Array.from(tidyText(text, 1000)).slice(0, limit))
        },
      ),
    )
  })
})

suite('withoutSecrets', () => {
  const secrets = {
    'a signed address': 'https://lookaside.fbsbx.com/x?ext=1&hash=abc',
    'a database address': 'postgres://postgres:word@127.0.0.1:5432/x',
    'a websocket address': 'wss://x.supabase.co/realtime/v1/websocket?apikey=abc',
    'a bearer header': 'Bearer abc.def',
    'a Supabase key': 'sb_secret_0123-456_789',
    'a JSON web token': 'eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoic2VydmljZV9yb2xlIn0.c2ln',
    'a Meta token': 'EAAGm0PX4ZCpsBAKZBZC',
  }
  for (const [what, secret] of Object.entries(secrets)) {
    test(`removes ${what}, wherever it stands`, () => {
      for (const text of [secret, `before ${secret} after`, `"${secret}"`, `(${secret})`, `x=${secret}, y`]) {
        const cleaned = withoutSecrets(text)
        for (const part of secret
          .replace(/^Bearer /, '')
          .split(/[:/?&=]+/)
          .filter(word => word.length > 5)) {
          assert.ok(!cleaned.includes(part), `${part} is left in ${cleaned}`)
        }
      }
      assert.match(withoutSecrets(`before ${secret} after`), /^before (Bearer )?\[(url|secret)\] after$/)
    })
  }

  test('leaves everything else as it is', () => {
    const text = 'attachment 17 of wamid.HBgL: 404 from graph.facebook.com, EAA and eyJ are no secrets'
    assert.equal(withoutSecrets(text), text)
  })
})

suite('describeError', () => {
  test('tells the causes that fetch hides', () => {
    const cause = new Error('connect ECONNREFUSED 127.0.0.1:1')
    assert.equal(
      describeError(new TypeError('fetch failed', { cause })),
      'fetch failed: connect ECONNREFUSED 127.0.0.1:1',
    )
  })

  test('says each thing once', () => {
    const cause = new Error('broken pipe')
    assert.equal(
      describeError(new Error('Upload failed: broken pipe', { cause })),
      'Upload failed: broken pipe',
    )
  })

  test('opens an AggregateError without a message, as Node makes for two addresses of a host', () => {
    const both = new AggregateError([new Error('refused ::1'), new Error('refused 127.0.0.1')])
    assert.equal(describeError(both), 'refused ::1; refused 127.0.0.1')
  })

  test('takes the message of a plain object, as supabase-js answers it', () => {
    assert.equal(describeError({ code: 'PGRST202', message: 'no function' }), 'no function')
  })

  test('falls back to the name', () => {
    assert.equal(describeError(new RangeError()), 'RangeError')
  })

  test('removes secrets and cuts', () => {
    assert.equal(describeError(new Error(`GET https://x.example/?key=1 ${'x'.repeat(900)}`)).length, 500)
    assert.equal(describeError(new Error('GET https://x.example/?key=1')), 'GET [url]')
  })

  test('does not follow a ring of causes for ever', () => {
    const error = new Error('round')
    error.cause = error
    assert.equal(describeError(error), 'round')
  })

  test('has one well-formed line for anything that can be thrown', () => {
    const bare: unknown = Object.create(null)
    for (const thrown of [
      undefined,
      null,
      0,
      '',
      Symbol('s'),
      bare,
      { message: bare },
      { toString: null },
      () => 1,
    ]) {
      assert.equal(typeof describeError(thrown), 'string')
    }
    fc.assert(
      fc.property(fc.anything({ withNullPrototype: true }), thrown => {
        assert.ok(describeError(thrown).isWellFormed())
      }),
    )
  })
})
