import { registerHooks } from 'node:module'
import { MUTATIONS } from './mutations.ts'

/**
 * `node --import` this with MUTATION in the environment: one source text is changed as it is loaded, so that the
 * program itself needs no place to be broken from.
 */
const mutation = MUTATIONS.find(({ name }) => name === process.env.MUTATION)
if (mutation === undefined) throw new Error(`There is no mutation "${process.env.MUTATION}".`)
const { file, find, replace, name } = mutation
const target = new URL(`../../${file}`, import.meta.url).href

registerHooks({
  load: (url, context, next) => {
    const loaded = next(url, context)
    if (url !== target) return loaded
    const source = String(loaded.source)
    if (source.split(find).length !== 2)
      throw new Error(`"${name}": ${file} does not hold its text exactly once.`)
    console.log(`mutated: ${name}`)
    return { ...loaded, source: source.replace(find, () => replace) }
  },
})
