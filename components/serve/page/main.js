// Pictures go to POST predict, a few at a time; the answers come as cards, the newest first.
const AT_ONCE = 3, TRIES = 20, TINY = 100
const $ = id => document.getElementById(id)
const percent = share => share >= .9995 && share < 1 ? '>99.9 %' : share < .0005 ? '<0.1 %' : `${(100 * share).toFixed(1)} %`
const waiting = []
let under = 0, people = 0, done = 0, broken = 0, about = {}

async function start() {
  about = await (await fetch('about')).json()
  $('model').textContent = document.title = about.model
  show(about.version)
  const classes = `${about.classes} classes`
  $('facts').textContent = about.threshold === null ? classes
    : `${classes}. Below a confidence of ${percent(about.threshold)} a person should look.`
  const link = new URL('predict', location.href).href
  $('curl').textContent = `curl -F image=@picture.jpg ${link}`
  document.body.dataset.ready = 'yes'
}

function show(version) {
  $('version').textContent = version
}

function take(files) {
  for (const file of files) {
    const card = $('answer').content.firstElementChild.cloneNode(true)
    card.classList.add('waiting')
    const image = card.querySelector('img')
    image.onload = () => image.classList.toggle('tiny', Math.max(image.naturalWidth, image.naturalHeight) <= TINY)
    image.onerror = () => { image.alt = 'This browser cannot show it' }
    image.src = URL.createObjectURL(file)
    card.querySelector('.name').textContent = file.name
    card.querySelector('.verdict b').textContent = '…'
    $('answers').prepend(card)
    waiting.push({ file, card })
  }
  if (files.length) document.body.classList.add('some')
  go()
}

function go() {
  while (under < AT_ONCE && waiting.length) {
    const { file, card } = waiting.shift()
    under++
    answer(file).then(told => fill(card, told), error => fail(card, error.message)).finally(() => { under--; sum(); go() })
  }
}

async function answer(file) {
  for (let attempt = 1; ; attempt++) {
    const form = new FormData()
    form.append('image', file)
    const response = await fetch('predict?top=5', { method: 'POST', body: form })
    if (response.status === 429 && attempt < TRIES) {
      await new Promise(resolve => setTimeout(resolve, 1000 * Number(response.headers.get('retry-after') || 1)))
      continue
    }
    const told = await response.json()
    if (!response.ok) throw new Error(told.error)
    show(told.version)
    return told.predictions[0]
  }
}

function fill(card, told) {
  card.classList.remove('waiting')
  card.querySelector('.verdict b').textContent = told.class
  card.querySelector('.sure').textContent = percent(told.confidence)
  card.querySelector('.person').hidden = !told.abstain
  for (const each of told.top) {
    const line = document.createElement('li')
    line.innerHTML = '<span></span><span class="track"><span class="fill"></span></span><span class="share"></span>'
    line.firstElementChild.textContent = each.class
    line.querySelector('.fill').style.width = `${100 * each.confidence}%`
    line.querySelector('.share').textContent = percent(each.confidence)
    card.querySelector('.bars').append(line)
  }
  if (told.set && about.coverage) {
    const set = card.querySelector('.set')
    set.hidden = false
    set.title = `Made so that the true class is in it for ${Math.round(100 * about.coverage)} of 100 pictures`
    set.append(`Likely set (${Math.round(100 * about.coverage)} %): `)
    if (!told.set.length) set.append('none, it is unlike what the model knows')
    told.set.slice(0, 12).forEach((name, n) => {
      const bold = document.createElement('b')
      bold.textContent = name
      set.append(n ? ', ' : '', bold)
    })
    if (told.set.length > 12) set.append(` and ${told.set.length - 12} more`)
  }
  done++
  if (told.abstain) people++
}

function fail(card, text) {
  card.classList.remove('waiting')
  card.classList.add('broken')
  card.querySelector('.verdict b').textContent = text
  broken++
}

function sum() {
  const line = $('summary')
  line.hidden = false
  line.innerHTML = `<b></b><span></span>`
  line.firstElementChild.textContent = `${done} ${done === 1 ? 'picture' : 'pictures'}`
  const more = [people ? `${people} for a person to look at` : '', broken ? `${broken} that could not be read` : '']
  line.lastElementChild.textContent = more.filter(Boolean).map(each => ` · ${each}`).join('')
  document.body.dataset.done = String(done + broken)
}

const drop = $('drop')
$('files').addEventListener('change', event => { take([...event.target.files]); event.target.value = '' })
drop.addEventListener('keydown', event => { if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); $('files').click() } })
addEventListener('dragover', event => { event.preventDefault(); drop.classList.add('over') })
addEventListener('dragleave', event => { if (!event.relatedTarget) drop.classList.remove('over') })
addEventListener('drop', event => { event.preventDefault(); drop.classList.remove('over'); take([...event.dataTransfer.files]) })
addEventListener('paste', event => take([...event.clipboardData.files]))
$('copy').addEventListener('click', async () => {
  await navigator.clipboard.writeText($('curl').textContent)
  $('copy').textContent = 'Copied'
  setTimeout(() => { $('copy').textContent = 'Copy' }, 1500)
})
start()
