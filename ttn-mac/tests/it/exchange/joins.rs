//! Joins and rejoins of a pair, with the part of the Join Server.

use ttn_core::{
    addr::DevAddr,
    frame::{Form, JoinRequestForm},
    key::SessionKeyId,
    time::Monotonic,
};
use ttn_mac::{
    crypto::{
        derive::{SessionKeys, join_server_keys, session_keys_1_0, session_keys_1_1},
        join::{JoinAcceptMic, JoinReqType, seal_join_accept},
    },
    device::{DeviceTx, Received},
    engine::{JoinAccepted, Rejoin, TxPlan, UplinkChannel, check_rejoin_1},
    frame::{self, JoinAccept},
    state::{ForceRejoin, JoinParameters, Session},
    version::MacRules as _,
};

use super::pair::{DEV_EUI, JOIN_EUI, NET_ID, Pair, radio, root};

/// A request that the network has let pass.
struct Request {
    answers: JoinReqType,
    /// DevNonce, or the counter of a rejoin-request.
    nonce: u16,
    parameters: JoinParameters,
    channel: UplinkChannel,
    rejoin: Option<Rejoin>,
}

impl Pair {
    /// Joins, once without losses.
    pub(super) fn join(&mut self) -> Result<(), String> {
        self.wait(60);
        let tx = self.device.join(&self.chance).map_err(|error| format!("join: {error}"))?;
        self.accept(&tx, false)
    }

    /// Rejoins; if the join-accept is lost, the session goes on.
    pub(super) fn rejoin(&mut self, request: JoinReqType, lost: bool) -> Result<(), String> {
        self.wait(60);
        let before = self.device.session().map(|session| session.dev_addr);
        let tx = self.device.rejoin(request, &self.chance);
        let tx = tx.map_err(|error| format!("{request:?}: {error}"))?;
        self.accept(&tx, lost).map_err(|error| format!("{request:?}: {error}"))?;
        // The old session ends when the device has used the new one.
        self.exchange(0)?;
        let now = self.device.session().map(|session| session.dev_addr);
        ensure!((now == before) == lost, "{request:?}: {before:?} before, {now:?} now");
        let known = self.st.slow.session.as_ref().map(|session| session.dev_addr);
        ensure!(known == now, "{request:?}: the device uses {now:?}, the network {known:?}");
        Ok(())
    }

    /// The network asks for a rejoin, and the device obeys.
    pub(super) fn force_rejoin(&mut self) -> Result<(), String> {
        let data_rate = self.st.slow.current.adr_data_rate;
        let wanted = ForceRejoin { period_exponent: 0, max_retries: 0, rejoin_type: 2, data_rate };
        let forced = self.rules.engine().force_rejoin(&mut self.st, wanted);
        forced.map_err(|error| error.to_string())?;
        ensure!(self.exchange(0)?, "nothing is asked");
        let due = self.due();
        ensure!(due == Some(JoinReqType::Rejoin2), "{due:?} is due");
        self.rejoin(JoinReqType::Rejoin2, false)
    }

    /// Which rejoin-request the device has to send by now.
    pub(super) fn due(&mut self) -> Option<JoinReqType> {
        let nanos = u64::try_from(self.now.unix_nanos()).unwrap();
        self.device.rejoin_due(Monotonic::from_nanos(nanos), &self.chance)
    }

    /// Answers a request; the device takes the join-accept unless it is lost.
    fn accept(&mut self, tx: &DeviceTx, lost: bool) -> Result<(), String> {
        let (plan, keys) = self.answer_request(tx)?;
        self.check_windows(tx, &plan)?;
        if lost {
            return Ok(());
        }
        match self.device.hear(&plan.bytes) {
            Ok(Received::Joined) => {}
            other => return Err(format!("the join-accept is not taken: {other:?}")),
        }
        self.app_s_key = keys.app_s_key;
        self.heard_confirmed = None;
        Ok(())
    }

    /// The part of Join Server and Network Server.
    fn answer_request(&mut self, tx: &DeviceTx) -> Result<(TxPlan, SessionKeys), String> {
        let Request { answers, nonce, parameters, channel, rejoin } = self.read_request(tx)?;
        self.joins += 1;
        let dev_addr = DevAddr::from_u32(0x2600_0100 + self.joins);
        let accept = JoinAccept {
            join_nonce: self.joins,
            net_id: NET_ID,
            dev_addr,
            dl_settings: parameters.dl_settings,
            rx_delay: parameters.rx_delay,
            cf_list: parameters.cf_list.clone(),
        };
        let root = root(self.version);
        let key = root.nwk_key.as_ref().unwrap_or(&root.app_key);
        let js_keys = join_server_keys(key, DEV_EUI);
        let (mic, keys) = if self.version.is_1_1() {
            let mic = JoinAcceptMic::V1_1 {
                js_int_key: &js_keys.js_int_key,
                join_req_type: answers,
                join_eui: JOIN_EUI,
                dev_nonce: nonce,
            };
            (mic, session_keys_1_1(key, &root.app_key, self.joins, JOIN_EUI, nonce))
        } else {
            (JoinAcceptMic::V1_0(key), session_keys_1_0(key, self.joins, NET_ID, nonce))
        };
        let sealed_with = match answers {
            JoinReqType::JoinRequest => key,
            _ => &js_keys.js_enc_key,
        };
        let phy = seal_join_accept(&accept, self.rules.band.frequency_step, mic, sealed_with)
            .map_err(|error| format!("join-accept: {error}"))?;
        let session = Session {
            dev_addr,
            keys: keys.network.clone(),
            session_key_id: SessionKeyId::new(&self.joins.to_be_bytes()).unwrap(),
            started_at: self.now,
        };
        let accepted = JoinAccepted { session, parameters, phy, channel, received_at: self.now };
        let engine = self.rules.engine();
        let plan = match rejoin {
            Some(rejoin) => engine.on_rejoin_accept(&mut self.st, accepted, &rejoin, self.now),
            None => engine.on_join(&mut self.st, accepted, self.now),
        };
        Ok((plan.map_err(|it| format!("join: {it:?}"))?, keys))
    }

    fn read_request(&mut self, tx: &DeviceTx) -> Result<Request, String> {
        let phy = frame::parse(tx.bytes.clone()).unwrap();
        let engine = self.rules.engine();
        let (answers, nonce, channel, rejoin) = match phy.form {
            Form::JoinRequest(JoinRequestForm { dev_nonce, .. }) => {
                let channel =
                    engine.join_channel(&radio(tx)).map_err(|it| format!("join: {it}"))?;
                let used = self.dev_nonces.last().is_some_and(|last| *last >= dev_nonce);
                let counts = self.version.dev_nonce_is_counter();
                ensure!(!(counts && used), "DevNonce {dev_nonce} after {:?}", self.dev_nonces);
                self.dev_nonces.push(dev_nonce);
                (JoinReqType::JoinRequest, dev_nonce, channel, None)
            }
            Form::RejoinRequest(_) => {
                let rejoin = engine.on_rejoin(&mut self.st, &phy, &radio(tx), NET_ID);
                let rejoin = rejoin.map_err(|it| format!("rejoin: {it}"))?;
                if rejoin.answers == JoinReqType::Rejoin1 {
                    let root = root(self.version);
                    let key = root.nwk_key.as_ref().unwrap_or(&root.app_key);
                    let key = join_server_keys(key, DEV_EUI).js_int_key;
                    let count = check_rejoin_1(&key, &phy, self.rejoin_count_1);
                    self.rejoin_count_1 = Some(count.map_err(|it| format!("rejoin: {it}"))?);
                }
                (rejoin.answers, rejoin.rejoin_count, rejoin.channel, Some(rejoin))
            }
            _ => return Err(format!("no request: {phy:?}")),
        };
        let parameters = match &rejoin {
            Some(rejoin) => engine.rejoin_parameters(&self.st, rejoin),
            None => engine.join_parameters(&self.st, channel),
        };
        Ok(Request { answers, nonce, parameters, channel, rejoin })
    }
}
