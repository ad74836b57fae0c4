import { explainsPage, type Look, servedType } from './content.ts'
import type { Expectation } from './integrity.ts'
import { TransferError } from './transfer-error.ts'

/**
 * Whether a page without a declared hash has to be taken for an error page. One of exactly the declared size,
 * under a type that may be anything, is none.
 */
export function isErrorPage(expected: Expectation, page: Look['page']): boolean {
  if (page === null || explainsPage(expected.mimeType)) return false
  return expected.size === null || servedType(expected.mimeType, null) !== 'application/octet-stream'
}

/** Bytes that are not what was declared: an error page when they look like one, since that says more. */
export function wrongBytes(expected: Expectation, page: Look['page'], why: string): TransferError {
  if (page !== null && !explainsPage(expected.mimeType)) return errorPage(page)
  return new TransferError({ verdict: 'retry', code: 'integrity', message: `The file is not whole: ${why}` })
}

export function errorPage(page: Look['page']): TransferError {
  return new TransferError({
    verdict: 'unattributed',
    dependency: 'whatsapp',
    code: 'error_page',
    message: `WhatsApp sent ${page === 'text/html' ? 'an HTML page' : 'a JSON document'} in place of the file.`,
    otherwise: 'retry',
  })
}

export function tooLarge(maxFileSize: number): TransferError {
  const message = `The file is larger than MAX_FILE_SIZE (${maxFileSize} bytes).`
  return new TransferError({ verdict: 'fail', code: 'too_large', message })
}
