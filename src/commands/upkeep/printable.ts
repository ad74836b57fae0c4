/**
 * Text of others for a terminal: whatever could move the cursor, colour, ring or turn the direction of writing is
 * shown as JSON would write it (`\u001b`). Ends of lines and tabs stay.
 */
export function printable(text: string): string {
  return text.toWellFormed().replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is shown here
    /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g,
    unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
