// openapi.json as a page: no script comes from elsewhere.
const main = document.getElementById('main')

function made(tag, text = '', ...inside) {
  const element = document.createElement(tag)
  element.append(...(text ? [text] : []), ...inside)
  return element
}

// A schema as an example of what it describes.
function sketch(schema) {
  if (schema.type === 'object') return Object.fromEntries(Object.entries(schema.properties || {}).map(([name, each]) => [name, sketch(each)]))
  if (schema.type === 'array') return [sketch(schema.items || {})]
  if (schema.format === 'binary') return 'bytes of a file'
  return schema.type || 'value'
}

function body(content) {
  return Object.entries(content).flatMap(([type, { schema, example }]) => [
    made('h3', type), made('pre', JSON.stringify(example || sketch(schema || {}), null, 1)),
  ])
}

// Text whose words between backticks are code.
const plain = text => text.split('\n').join(' ').split('`').map((part, n) => n % 2 ? made('code', part) : part)

function endpoint(path, verb, about) {
  const inside = made('div')
  for (const each of about.parameters || []) {
    if (each.in === 'query') inside.append(made('h3', `?${each.name}=`), made('p', each.description || ''))
  }
  if (about.requestBody) inside.append(made('h3', 'Asked'), ...body(about.requestBody.content))
  const answers = made('table')
  for (const [code, each] of Object.entries(about.responses)) {
    answers.append(made('tr', '', made('td', '', made('code', code)), made('td', each.description)))
  }
  inside.append(made('h3', 'Answered'), answers)
  const good = (about.responses['200'] || {}).content
  if (good) inside.append(...body(good))
  const summary = made('summary', '', made('b', verb.toUpperCase()), made('code', path), made('span', '', ...plain(about.description || '')))
  return made('details', '', summary, inside)
}

const said = await (await fetch('openapi.json')).json()
document.getElementById('version').textContent = said.info.version
main.append(made('p', said.info.summary))
const groups = {}
for (const [path, verbs] of Object.entries(said.paths)) {
  for (const [verb, about] of Object.entries(verbs)) (groups[about.tags[0]] ||= []).push(endpoint(path, verb, about))
}
for (const [name, endpoints] of Object.entries(groups)) main.append(made('h2', name), ...endpoints)
document.body.dataset.ready = 'yes'
