/**
 * All that the command line prints. File names, records, answers of nodes and daemons may hold characters that a
 * terminal obeys; they are printed as JSON would escape them, which changes no JSON document.
 */

/** Control characters but tab and line feed, and those that reorder or separate lines. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const OBEYED = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g

export function print(text: string): void {
  console.log(visible(text))
}

/** Text whose colours are ours and whose other parts went through {@link visible}. */
export function printPainted(text: string): void {
  console.log(text)
}

/** To standard error. */
export function complain(text: string): void {
  console.error(visible(text))
}

/** The text with each character that a terminal obeys as `\uXXXX`; lines and tabs stay. */
export function visible(text: string): string {
  return text.replace(OBEYED, escaped)
}

/** A file's name on one line. A name with nothing to escape is itself; in others a backslash is doubled. */
export function shownFile(name: string): string {
  if (!/[\t\n]/.test(name) && visible(name) === name) return name
  return visible(name.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\t', '\\t'))
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}
