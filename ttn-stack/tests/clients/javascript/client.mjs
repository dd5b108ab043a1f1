// The vendor's JavaScript SDK against a server: `TTN_URL=http://127.0.0.1:1885 TTN_API_KEY=… node client.mjs`.
// Ends with 0 if everything was as the SDK expects.

import assert from 'node:assert/strict'
import sdk from 'ttn-lw'

const PATIENCE = 60_000
setTimeout(() => {
  console.error(`not done after ${PATIENCE} ms`)
  process.exit(2)
}, PATIENCE).unref()

const host = '127.0.0.1'
const url = `${process.env.TTN_URL}/api/v3`
const user = 'admin'
// The SDK asks for the token before each call.
let token = process.env.TTN_API_KEY
const components = ['is', 'ns', 'as', 'js', 'gs', 'edtc', 'qrg']
const ttn = new sdk.default(async () => ({ access_token: token }), {
  stackConfig: Object.fromEntries(components.map((name) => [name, url])),
  connectionType: 'http',
  defaultUserId: user,
})

const has = (value, expected, what) => {
  for (const [name, wanted] of Object.entries(expected)) {
    assert.deepEqual(value?.[name], wanted, `${what}.${name} of ${JSON.stringify(value)}`)
  }
}
const notFound = (call) =>
  assert.rejects(call, (error) => error.code === 5 && error.details?.[0]?.name !== undefined)

async function keyOfUser() {
  const key = await ttn.api.UserAccess.CreateAPIKey(
    { routeParams: { 'user_ids.user_id': user } },
    { name: 'sdk', rights: ['RIGHT_ALL'] },
  )
  has(key.data, { name: 'sdk', rights: ['RIGHT_ALL'] }, 'key')
  assert.match(key.data.key, /^NNSXS\./)
  token = key.data.key
  const info = await ttn.Auth.getAuthInfo()
  assert.equal(info.api_key.api_key.id, key.data.id)
  assert.equal(info.is_admin, true)
  has(await ttn.Users.getById(user, ['name', 'state', 'admin']), { state: 'STATE_APPROVED', admin: true }, 'user')
}

async function application() {
  const created = await ttn.Applications.create(user, {
    ids: { application_id: 'sdk-app' },
    name: 'Made by the SDK',
    description: 'first',
    attributes: { colour: 'blue' },
  })
  has(created.ids, { application_id: 'sdk-app' }, 'application.ids')
  await assert.rejects(ttn.Applications.create(user, { ids: { application_id: 'sdk-app' } }), { code: 6 })
  await assert.rejects(ttn.Applications.create(user, { ids: { application_id: 'No' } }), { code: 3 })
  for (const name of ['sdk-b', 'sdk-c']) {
    await ttn.Applications.create(user, { ids: { application_id: name } })
  }
  const selector = ['name', 'description', 'attributes']
  const read = await ttn.Applications.getById('sdk-app', selector)
  has(read, { name: 'Made by the SDK', description: 'first', attributes: { colour: 'blue' } }, 'application')
  const updated = await ttn.Applications.updateById('sdk-app', { description: 'second' })
  has(updated, { description: 'second' }, 'application')

  const page = await ttn.Applications.getAll({ page: 2, limit: 2, order: 'application_id' }, ['name'])
  assert.equal(page.totalCount, 3)
  assert.deepEqual(page.applications.map((it) => it.ids.application_id), ['sdk-c'])
  const found = await ttn.Applications.search({ query: 'made by', page: 1, limit: 10 }, ['name'])
  assert.deepEqual(found.applications.map((it) => it.ids.application_id), ['sdk-app'])
  const rights = await ttn.Applications.getRightsById('sdk-app')
  assert.ok(rights.rights.length > 0)
  const mqtt = await ttn.Applications.getMqttConnectionInfo('sdk-app')
  assert.equal(mqtt.username, 'sdk-app')
}

async function keysAndCollaborators() {
  const { ApiKeys, Collaborators } = ttn.Applications
  const key = await ApiKeys.create('sdk-app', { name: 'reader', rights: ['RIGHT_APPLICATION_TRAFFIC_READ'] })
  assert.ok(key.key)
  has(await ApiKeys.getById('sdk-app', key.id), { name: 'reader' }, 'key')
  await ApiKeys.updateById('sdk-app', key.id, { name: 'renamed', rights: ['RIGHT_APPLICATION_INFO'] })
  const keys = await ApiKeys.getAll('sdk-app', { page: 1, limit: 10 })
  assert.deepEqual(keys.api_keys.map((it) => it.name), ['renamed'])
  assert.equal(keys.totalCount, 1)
  await ApiKeys.deleteById('sdk-app', key.id)
  assert.equal((await ApiKeys.getAll('sdk-app', {})).totalCount, 0)

  const all = await Collaborators.getAll('sdk-app', { page: 1, limit: 10 })
  assert.deepEqual(all.collaborators.map((it) => it.ids.user_ids.user_id), [user])
  const mine = await Collaborators.getByUserId('sdk-app', user)
  assert.deepEqual(mine.rights, ['RIGHT_ALL'])
}

async function gateway() {
  const plans = await ttn.Configuration.listGsFrequencyPlans()
  assert.ok(plans.frequency_plans.some((plan) => plan.id === 'EU_863_870_TTN'))
  const eui = '00800000A00009EF'
  await ttn.Gateways.create(user, {
    ids: { gateway_id: 'sdk-gateway', eui },
    name: 'On the roof',
    frequency_plan_id: 'EU_863_870_TTN',
    gateway_server_address: host,
    antennas: [{ gain: 3, location: { latitude: 50, longitude: 4.5, altitude: 12, source: 'SOURCE_REGISTRY' } }],
    status_public: true,
    location_public: true,
    enforce_duty_cycle: true,
    schedule_anytime_delay: '0.530s',
  })
  const selector = ['name', 'antennas', 'frequency_plan_id', 'status_public', 'schedule_anytime_delay']
  const read = await ttn.Gateways.getById('sdk-gateway', selector)
  has(read, { name: 'On the roof', frequency_plan_id: 'EU_863_870_TTN', schedule_anytime_delay: '0.530s' }, 'gateway')
  assert.equal(read.ids.eui, eui)
  has(read.antennas[0].location, { latitude: 50, longitude: 4.5, altitude: 12 }, 'location')
  has(await ttn.Gateways.updateById('sdk-gateway', { name: 'Moved' }), { name: 'Moved' }, 'gateway')
  const all = await ttn.Gateways.getAll({ page: 1, limit: 10 }, ['name', 'frequency_plan_ids'])
  assert.deepEqual([all.totalCount, all.gateways[0].name], [1, 'Moved'])
  // It never connected.
  await notFound(ttn.Gateways.getStatisticsById('sdk-gateway'))
}

const addresses = {
  network_server_address: host,
  application_server_address: host,
  join_server_address: host,
}

async function deviceThatJoins() {
  const { Devices } = ttn.Applications
  const appKey = 'A1B2C3D4E5F60718293A4B5C6D7E8F90'
  const device = {
    ids: { device_id: 'sdk-joins', dev_eui: '70B3D57ED0001001', join_eui: '70B3D57ED0000000' },
    name: 'Joins',
    ...addresses,
    lorawan_version: 'MAC_V1_0_3',
    lorawan_phy_version: 'PHY_V1_0_3_REV_A',
    frequency_plan_id: 'EU_863_870_TTN',
    supports_join: true,
    root_keys: { app_key: { key: appKey } },
    mac_settings: { resets_f_cnt: false, rx1_delay: { value: 'RX_DELAY_5' }, desired_rx2_frequency: '869525000' },
    formatters: { up_formatter: 'FORMATTER_CAYENNELPP' },
  }
  const created = await Devices.create('sdk-app', device)
  assert.equal(created.ids.device_id, 'sdk-joins')
  const selector = [
    'name', 'lorawan_version', 'lorawan_phy_version', 'frequency_plan_id', 'supports_join',
    'root_keys.app_key.key', 'formatters', 'network_server_address', 'mac_settings', 'session', 'locations',
  ]
  const read = await Devices.getById('sdk-app', 'sdk-joins', selector)
  has(read, {
    name: 'Joins', lorawan_version: 'MAC_V1_0_3', lorawan_phy_version: 'PHY_V1_0_3_REV_A',
    frequency_plan_id: 'EU_863_870_TTN', supports_join: true, network_server_address: host,
    formatters: { up_formatter: 'FORMATTER_CAYENNELPP' },
  }, 'device')
  has(read.ids, { dev_eui: '70B3D57ED0001001', join_eui: '70B3D57ED0000000' }, 'device.ids')
  assert.equal(read.root_keys.app_key.key, appKey)

  const patch = { name: 'Joined', formatters: { up_formatter: 'FORMATTER_NONE' } }
  await Devices.updateById('sdk-app', 'sdk-joins', patch)
  const again = await Devices.getById('sdk-app', 'sdk-joins', ['name', 'formatters', 'supports_join'])
  has(again, { name: 'Joined', supports_join: true }, 'device')

  // The Network Server refuses; the SDK takes back what the Identity Server has taken.
  const broken = { ...device, ids: { ...device.ids, device_id: 'sdk-broken', dev_eui: '70B3D57ED0001002' } }
  await assert.rejects(Devices.create('sdk-app', { ...broken, frequency_plan_id: 'MOON' }))
  // It does not wait for that.
  const isThere = () => Devices.getById('sdk-app', 'sdk-broken', ['name']).then(() => true, (error) => error.code !== 5)
  while (await isThere());
}

async function deviceWithSession() {
  const { Devices } = ttn.Applications
  const { dev_addr: devAddr } = await ttn.Ns.generateDevAddress()
  assert.match(devAddr, /^[0-9A-F]{8}$/)
  const network = 'B'.repeat(32)
  const key = (text) => ({ key: text })
  await Devices.create('sdk-app', {
    ids: { device_id: 'sdk-abp', dev_eui: '70B3D57ED0001003' },
    ...addresses,
    lorawan_version: 'MAC_V1_0_3',
    lorawan_phy_version: 'PHY_V1_0_3_REV_A',
    frequency_plan_id: 'EU_863_870_TTN',
    supports_join: false,
    session: {
      dev_addr: devAddr,
      keys: {
        app_s_key: key('C'.repeat(32)),
        f_nwk_s_int_key: key(network), s_nwk_s_int_key: key(network), nwk_s_enc_key: key(network),
      },
    },
  })
  const read = await Devices.getById('sdk-app', 'sdk-abp', ['session', 'supports_join'])
  assert.equal(read.session.dev_addr, devAddr)
  assert.equal(read.session.keys.app_s_key.key, 'C'.repeat(32))
  assert.equal(read.session.keys.f_nwk_s_int_key.key, network)

  const queue = Devices.DownlinkQueue
  await queue.push('sdk-app', 'sdk-abp', [
    { f_port: 1, frm_payload: 'AQID', confirmed: true, priority: 'NORMAL' },
    { f_port: 2, frm_payload: 'BAUG' },
  ])
  let { downlinks } = await queue.list('sdk-app', 'sdk-abp')
  assert.deepEqual(downlinks.map((it) => [it.f_port, it.frm_payload]), [[1, 'AQID'], [2, 'BAUG']])
  await queue.replace('sdk-app', 'sdk-abp', [{ f_port: 3, frm_payload: 'Bw==' }])
  downlinks = (await queue.list('sdk-app', 'sdk-abp')).downlinks
  assert.deepEqual(downlinks.map((it) => it.f_port), [3])
  await assert.rejects(queue.push('sdk-app', 'sdk-abp', [{ f_port: 0, frm_payload: 'AQ==' }]))
}

async function lists() {
  const { Devices } = ttn.Applications
  const page = await Devices.getAll('sdk-app', { page: 1, limit: 1, order: 'device_id' }, ['name'])
  assert.deepEqual([page.totalCount, page.end_devices[0].ids.device_id], [2, 'sdk-abp'])
  const prefixes = await ttn.Js.listJoinEUIPrefixes()
  assert.ok(Array.isArray(prefixes.prefixes))
}

async function integrations() {
  const { Webhooks, PubSubs, Link } = ttn.Applications
  const hook = {
    ids: { webhook_id: 'sdk-hook' },
    base_url: 'https://example.com/lora',
    format: 'json',
    headers: { 'X-Colour': 'blue' },
    uplink_message: { path: '/up' },
    join_accept: {},
  }
  await Webhooks.create('sdk-app', hook)
  const selector = ['base_url', 'format', 'headers', 'uplink_message', 'join_accept', 'downlink_ack']
  const read = await Webhooks.getById('sdk-app', 'sdk-hook', selector)
  has(read, { base_url: hook.base_url, format: 'json', headers: hook.headers, uplink_message: { path: '/up' } }, 'webhook')
  assert.deepEqual(read.join_accept, {})
  assert.equal(read.downlink_ack, undefined)
  await Webhooks.updateById('sdk-app', 'sdk-hook', { base_url: 'https://example.com/other' })
  const all = await Webhooks.getAll('sdk-app', ['base_url'])
  assert.deepEqual(all.webhooks.map((it) => it.base_url), ['https://example.com/other'])
  assert.equal((await Webhooks.getFormats()).formats.json !== undefined, true)
  await Webhooks.listTemplates(['name'])
  await Webhooks.deleteById('sdk-app', 'sdk-hook')
  await notFound(Webhooks.getById('sdk-app', 'sdk-hook', ['base_url']))

  await PubSubs.create('sdk-app', {
    ids: { pub_sub_id: 'sdk-bus' },
    format: 'json',
    base_topic: 'top',
    nats: { server_url: 'nats://nats.example.com:4222' },
    uplink_message: { topic: 'up' },
  })
  const pubsub = await PubSubs.getById('sdk-app', 'sdk-bus', ['base_topic', 'provider.nats', 'uplink_message'])
  assert.equal(pubsub.nats.server_url, 'nats://nats.example.com:4222')
  await PubSubs.deleteById('sdk-app', 'sdk-bus')

  await Link.set('sdk-app', { default_formatters: { up_formatter: 'FORMATTER_CAYENNELPP' } }, ['default_formatters'])
  const link = await Link.get('sdk-app', ['default_formatters'])
  assert.equal(link.default_formatters.up_formatter, 'FORMATTER_CAYENNELPP')
  await Link.delete('sdk-app')
}

async function organization() {
  await ttn.Organizations.create(user, { ids: { organization_id: 'sdk-org' }, name: 'All of us' })
  has(await ttn.Organizations.getById('sdk-org', ['name']), { name: 'All of us' }, 'organization')
  await ttn.Organizations.updateById('sdk-org', { name: 'Some of us' })
  assert.equal((await ttn.Organizations.getAll({}, ['name'])).organizations[0].name, 'Some of us')
  await ttn.Organizations.deleteById('sdk-org')
}

// The stream of the SDK for Node.js reads the token only if it is a thunk of its own; it can do without closing.
async function events() {
  const stream = await ttn.Applications.openStream(['sdk-app'])
  const started = new Promise((resolve, reject) => {
    stream.on('error', reject)
    stream.on('close', () => reject(new Error('the stream ended')))
    stream.on('chunk', (event) => {
      if (event.name === 'events.stream.start') {
        ttn.Applications.updateById('sdk-app', { description: 'third' }).catch(reject)
      } else if (event.name === 'application.update') {
        resolve(event)
      }
    })
  })
  const event = await started
  assert.equal(event.identifiers[0].application_ids.application_id, 'sdk-app')
  assert.match(event.unique_id, /^[0-9A-Z]{26}$/)
}

async function deletes() {
  const { Devices } = ttn.Applications
  for (const device of ['sdk-joins', 'sdk-abp']) {
    await Devices.deleteById('sdk-app', device)
    await notFound(Devices.getById('sdk-app', device, ['name']))
  }
  assert.equal((await Devices.getAll('sdk-app', {}, ['name'])).totalCount, 0)
  await ttn.Gateways.deleteById('sdk-gateway')
  await notFound(ttn.Gateways.getById('sdk-gateway', ['name']))
  for (const name of ['sdk-app', 'sdk-b', 'sdk-c']) {
    await ttn.Applications.deleteById(name)
  }
  assert.equal((await ttn.Applications.getAll({}, ['name'])).totalCount, 0)
}

const steps = [
  keyOfUser, application, keysAndCollaborators, gateway, deviceThatJoins, deviceWithSession, lists, integrations,
  organization, events, deletes,
]
for (const step of steps) {
  try {
    await step()
  } catch (error) {
    console.error(`${step.name} failed:`, error)
    process.exit(1)
  }
  console.log(`${step.name} ok`)
}
process.exit(0)
