//! The Network Server alone in a product that has its own gateways and its own applications.
//!
//! ```text
//! cargo run --example network_server_only --no-default-features --features network-server
//! ```
//!
//! The product implements two traits: [`NsGs`] sends frames, [`NsAs`] takes messages. It hands received frames to [`GsNs`]
//! and downlinks to [`AsNs`]. Here both sides are channels, and the air is a function call.
#![allow(missing_docs, reason = "an example")]

use std::sync::Arc;

use anyhow::Context as _;
use async_trait::async_trait;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use ttn::{
    core::{
        addr::DevAddr,
        clock::{Clock, SystemClock},
        id::DeviceIds,
        key::{Aes128Key, SessionKeyId},
        msg::{
            ApplicationBatch, Downlink, RxMetadata, Scheduled, TxRequest, TxSettings, Up, Uplink,
            UplinkBatch,
        },
        peer::{AsNs as _, GsNs as _, Local, NsAs, NsGs, PeerError},
        radio::DataRateIndex,
        rand::OsEntropy,
        store::{Durable, Position, Refused},
        task::Tasks,
        time::Timestamp,
        version::{MacVersion, PhyVersion},
    },
    mac::{
        band::{self, BandId},
        command::Direction,
        crypto::payload::encrypt_frm_payload,
        device::{self, DevNonces, DeviceConfig, DeviceSession, DeviceTx, Received},
        frame,
        session::NetworkKeys,
        state::Session,
    },
    network_server::{NetworkServer, config::Config, device::Device},
};

/// The product's own gateways.
#[derive(Debug)]
struct Gateways(UnboundedSender<TxRequest>);

#[async_trait]
impl NsGs for Gateways {
    async fn schedule_downlink(&self, tx: &TxRequest, _: Durable) -> Result<Scheduled, PeerError> {
        let gone = |_| PeerError::Unavailable { relation: "NsGs" };
        self.0.send(tx.clone()).map_err(gone)?;
        let gateway_id =
            "my-gateway".parse().map_err(|_| PeerError::Unavailable { relation: "NsGs" })?;
        Ok(Scheduled { reports: true, ..Scheduled::new(gateway_id, tx.rx1_delay) })
    }
}

/// The product's own applications. Sequence 0 says that it does not share the Network Server's store.
#[derive(Debug)]
struct Applications(UnboundedSender<Up>);

impl NsAs for Applications {
    fn uplinks(&self, batch: ApplicationBatch) -> Result<Position, Refused<ApplicationBatch>> {
        for (_, message) in batch.messages {
            // Nobody listens any more when the product stops.
            let _ = self.0.send(message.up);
        }
        Ok(Position { lane: batch.lane, seq: 0 })
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let (to_air, mut air) = unbounded_channel();
    let (to_applications, mut messages) = unbounded_channel();
    let (gateways, applications) =
        (Arc::new(Gateways(to_air)), Arc::new(Applications(to_applications)));
    let (peers, clock) = (Arc::new(Local::default()), Arc::new(SystemClock::new()));
    peers.set_ns_gs(&gateways).set_ns_as(&applications);
    let ns = NetworkServer::builder(Config::default(), clock.clone(), peers).build()?;
    let mut tasks = Tasks::new();
    ns.start(&mut tasks);

    // Network and device know the same session. The application's key never reaches the Network Server.
    let (dev_addr, app_s_key) = (DevAddr::from_u32(0x0000_1234), Aes128Key::new([2; 16]));
    let keys = NetworkKeys::v1_0(Aes128Key::new([1; 16]));
    let session_key_id = SessionKeyId::new(b"my-session").context("too long")?;
    let (version, phy) = (MacVersion::V1_0_3, PhyVersion::RP001_V1_0_3_REV_A);
    let key: ttn::core::id::DeviceKey = "my-app.my-device".parse()?;
    let mut device =
        Device::new(DeviceIds::new(key.clone()), "EU_863_870_TTN".parse()?, version, phy);
    device.supports_join = false;
    let started_at = Timestamp::default();
    let session = Session {
        dev_addr,
        keys: keys.clone(),
        session_key_id: session_key_id.clone(),
        started_at,
    };
    let mut state = ns.session_state(&device, session)?;
    // It is as it should be: there is nothing to command.
    state.slow.desired = state.slow.current.clone();
    device.state = Some(Box::new(state.slow));
    ns.create_device(device, Some(state.hot)).await?;

    // A downlink waits in the queue, encrypted by the application under the counter that it chose.
    let mut frm_payload = b"hello".to_vec();
    encrypt_frm_payload(&app_s_key, Direction::Downlink, dev_addr, 0, &mut frm_payload);
    let downlink = Downlink::new(session_key_id, 1, 0, frm_payload);
    ns.push_downlinks(&key, vec![downlink]).await?;

    // The device sends; the product's gateway has received it.
    let mut device = on_air(version, phy, dev_addr, keys, app_s_key.clone())?;
    let tx = device.uplink(1, b"23.5", false, &OsEntropy::default())?;
    let uplinks = vec![received(&tx, &*clock)?];
    ns.uplinks(UplinkBatch { uplinks })
        .map_err(|refused| anyhow::anyhow!("{:?}", refused.reason))?;

    let Some(Up::Uplink(up)) = messages.recv().await else { anyhow::bail!("no uplink") };
    let mut payload = up.frm_payload.to_vec();
    encrypt_frm_payload(&app_s_key, Direction::Uplink, dev_addr, up.f_cnt, &mut payload);
    println!(
        "application: FCnt {} on port {:?}: {}",
        up.f_cnt,
        up.f_port,
        String::from_utf8_lossy(&payload)
    );
    let tx = air.recv().await.context("no answer")?;
    let window = tx.rx1.context("no first window")?;
    println!(
        "gateway: transmit {:?} after the uplink at {}: {} octets",
        tx.rx1_delay,
        window.frequency,
        tx.phy.len()
    );
    let Received::Data(data) = device.hear(&tx.phy)? else { anyhow::bail!("no data") };
    println!(
        "device: FCnt {} on port {:?}: {}",
        data.f_cnt,
        data.f_port,
        String::from_utf8_lossy(&data.payload)
    );
    Ok(())
}

/// The device on the other side of the air.
fn on_air(
    version: MacVersion,
    phy: PhyVersion,
    dev_addr: DevAddr,
    keys: NetworkKeys,
    app_s_key: Aes128Key,
) -> anyhow::Result<device::Device> {
    let band = band::get(BandId::EU_863_870, phy)?;
    let data_rate = DataRateIndex::from_low_bits(5);
    let config = DeviceConfig {
        band,
        version,
        channels: None,
        data_rate,
        adr: false,
        dev_nonces: DevNonces::Random,
        first_f_cnt_up: 0,
    };
    let session = DeviceSession {
        version,
        dev_addr,
        keys,
        app_s_key,
        next_f_cnt_up: 0,
        last_n_f_cnt_down: None,
        last_a_f_cnt_down: None,
    };
    Ok(device::Device::abp(config, session))
}

/// What a gateway has received now. The token is what the product needs to answer on the same way.
fn received(tx: &DeviceTx, clock: &dyn Clock) -> anyhow::Result<Uplink> {
    let now = clock.now();
    let phy = frame::parse(tx.bytes.clone())?;
    let settings = TxSettings::new(tx.data_rate, tx.frequency);
    let token = *b"my-token";
    let metadata = RxMetadata::new("my-gateway".parse()?, now.utc, -80.0, 7.0, token);
    Ok(Uplink::new(phy, settings, vec![metadata], now))
}
