import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nextSteps } from '../../../src/commands/init/next-steps.ts'

test('every step to a running daemon is told, with the address for Meta', () => {
  const steps = nextSteps(true, 'https://abc.supabase.co/')
  const inOrder = [
    /supabase login/,
    /supabase link/,
    /db push .*--include-all/,
    /secrets set WHATSAPP_APP_SECRET=<app secret> WHATSAPP_VERIFY_TOKEN=/,
    /functions deploy whatsapp-webhook/,
    /https:\/\/abc\.supabase\.co\/functions\/v1\/whatsapp-webhook/,
    /mediaferry doctor/,
    /npx pm2 start ecosystem\.config\.cjs/,
  ].map(step => steps.search(step))
  assert.ok(!inOrder.includes(-1), String(inOrder))
  assert.deepEqual(
    inOrder,
    inOrder.toSorted((a, b) => a - b),
  )
  assert.match(nextSteps(false, undefined), /https:\/\/<project ref>\.supabase\.co\/functions/)
})
