//! The only way to make a [`GatewayServer`].

use std::sync::Arc;

use ttn_core::{
    clock::Clock,
    event::{Events, NoEvents},
    limit::RateLimiter,
    peer::Peers,
    rand::Entropy,
};

use ttn_mac::plan::Plans;

use crate::{
    config::Config,
    error::Error,
    frontend::{Frontend, udp::UdpFrontend},
    server::GatewayServer,
};

/// Builds a [`GatewayServer`].
#[derive(Debug)]
#[must_use]
pub struct GatewayServerBuilder {
    pub(crate) config: Config,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) peers: Arc<dyn Peers>,
    pub(crate) events: Events,
    pub(crate) limiter: Option<Arc<dyn RateLimiter>>,
    pub(crate) plans: Arc<Plans>,
    frontends: Vec<Box<dyn Frontend>>,
}

impl GatewayServerBuilder {
    pub(crate) fn new(
        config: Config,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        peers: Arc<dyn Peers>,
    ) -> Self {
        Self {
            config,
            clock,
            entropy,
            peers,
            events: Arc::new(NoEvents::default()),
            limiter: None,
            plans: Arc::default(),
            frontends: vec![],
        }
    }

    /// Publishes events there; nowhere unless said.
    pub fn events(mut self, events: Events) -> Self {
        self.events = events;
        self
    }

    /// Limits what comes from one address (GS-18); nothing does unless said.
    pub fn limiter(mut self, limiter: Arc<dyn RateLimiter>) -> Self {
        self.limiter = Some(limiter);
        self
    }

    /// Looks frequency plans up there; among those built in unless said.
    pub fn plans(mut self, plans: Arc<Plans>) -> Self {
        self.plans = plans;
        self
    }

    /// Adds a front end to those of the configuration.
    pub fn frontend(mut self, frontend: impl Frontend) -> Self {
        self.frontends.push(Box::new(frontend));
        self
    }

    /// Opens the listeners of the configuration and makes the server. With listeners, to be called within a tokio
    /// runtime.
    ///
    /// # Errors
    ///
    /// [`Error::Listen`]: an address is taken or not ours.
    pub fn build(mut self) -> Result<Arc<GatewayServer>, Error> {
        let mut frontends = std::mem::take(&mut self.frontends);
        let udp = &self.config.udp;
        for listener in &udp.listeners {
            frontends.push(Box::new(UdpFrontend::bind(listener, udp.clone())?));
        }
        Ok(Arc::new(GatewayServer::of(self, frontends)))
    }
}
