import { InvalidArgumentError } from 'commander'

/** A phone number as people write it, as digits. Throws what commander shows with the option's name. */
export function phone(text: string): string {
  const digits = text.replace(/[\s()+-]/g, '')
  if (/^\d{1,6}$/.test(digits))
    throw new InvalidArgumentError(`${digits} is too short for a phone number with its country code.`)
  if (/^\d{7,20}$/.test(digits)) return digits
  throw new InvalidArgumentError('must be a phone number with its country code.')
}

/** A count or an id: a whole number from 1. */
export function wholeNumber(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('must be a whole number from 1.')
}
