//! Application packages: what the server itself does with the messages of a port (AS-53).
//!
//! A package is associated with a port of a device, or with a port of all devices of an application. It sees uplinks
//! when they are durable, beside everybody else; one that takes longer than ten seconds is given up.

mod alcsync;
mod record;

pub use record::{Association, Data};

use std::collections::BTreeSet;

use futures::{
    StreamExt as _,
    future::{Either, select},
    stream::FuturesUnordered,
};
use parking_lot::Mutex;
use std::time::Duration;
use tokio::sync::mpsc;
use ttn_core::{
    error::{ApiError, Attributes, ErrorKind},
    id::{ApplicationId, DeviceKey},
    map::Map,
    msg::{ApplicationUp, Up},
    store::{Replaces, Versioned},
};

use crate::{
    ApplicationServer, Error,
    log::{Record, RecordState},
    store::{IntegrationKey, IntegrationKind},
};

/// The packages that a server has, with their usual ports.
pub const PACKAGES: [(&str, u8); 1] = [(alcsync::NAME, alcsync::F_PORT)];

/// How many messages wait for a package; further ones are left out.
const QUEUE_MAX: usize = 1024;
/// How many messages are worked on at the same time.
const WORKERS: usize = 64;
/// How long a package may work on a message.
const TIMEOUT: Duration = Duration::from_secs(10);
/// How many associations an application may have.
const ASSOCIATIONS_MAX: usize = 10_000;

/// What packages know.
#[derive(Debug)]
pub(crate) struct Packages {
    /// The ports that any application has a package on.
    ports: Mutex<BTreeSet<u8>>,
    sender: mpsc::Sender<ApplicationUp>,
    receiver: Mutex<Option<mpsc::Receiver<ApplicationUp>>>,
    /// What devices were last asked for; see [`alcsync`].
    periods: Mutex<Map<DeviceKey, u8>>,
}

impl Default for Packages {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE_MAX);
        let receiver = Mutex::new(Some(receiver));
        Self { ports: Mutex::default(), sender, receiver, periods: Mutex::default() }
    }
}

/// Where a package is used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
pub enum Place {
    /// A port of a device.
    Device(DeviceKey, u8),
    /// A port of all devices of an application.
    Default(ApplicationId, u8),
}

impl Place {
    fn key(&self) -> IntegrationKey {
        let (kind, application, id) = match self {
            Self::Device(key, port) => (
                IntegrationKind::PackageAssociation,
                &key.application_id,
                format!("{}/{port}", key.device_id),
            ),
            Self::Default(application, port) => {
                (IntegrationKind::PackageDefaultAssociation, application, port.to_string())
            }
        };
        IntegrationKey::new(kind, application.clone(), id)
    }
}

/// Why an association cannot be read or set, or a package does not do its work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PackageError {
    /// A member of the data has a wrong value.
    #[error("`data.{field}` is wrong: {expected} expected")]
    Field {
        /// The member.
        field: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// It does not exist.
    #[error("no package is associated with this port")]
    NotFound,
    /// The package is not built in.
    #[error("the package {name:?} is not built into this server")]
    NotImplemented {
        /// The package.
        name: String,
    },
    /// The payload is cut off.
    #[error("command {cid:#04x} has {expected} octets, and {got} are there")]
    Short {
        /// The command.
        cid: u8,
        /// How many octets it has.
        expected: usize,
        /// How many there are.
        got: usize,
    },
    /// The package took too long.
    #[error("the package did not finish within {TIMEOUT:?}")]
    Timeout,
    /// The application has too many.
    #[error("an application has at most {max} associations")]
    TooMany {
        /// The limit.
        max: usize,
    },
    /// The payload has a command that is not known.
    #[error("command {cid:#04x} is not known")]
    UnknownCommand {
        /// The command.
        cid: u8,
    },
    /// The server failed.
    #[error(transparent)]
    Server(#[from] Error),
}

impl ApiError for PackageError {
    fn namespace(&self) -> &'static str {
        match self {
            Self::NotFound => "pkg/redis",
            Self::NotImplemented { .. } | Self::Timeout | Self::TooMany { .. } => {
                "pkg/applicationserver/io/packages"
            }
            Self::Server(error) => error.namespace(),
            _ => "pkg/applicationserver/io/packages/alcsync/v1",
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Field { .. } => "invalid_field_type",
            Self::NotFound => "not_found",
            Self::NotImplemented { .. } => "package_not_implemented",
            Self::Server(error) => error.name(),
            Self::Short { .. } => "insufficient_length",
            Self::Timeout => "timeout",
            Self::TooMany { .. } => "too_many",
            Self::UnknownCommand { .. } => "unknown_command",
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Field { .. } | Self::Short { .. } => ErrorKind::InvalidArgument,
            Self::NotFound | Self::UnknownCommand { .. } => ErrorKind::NotFound,
            Self::NotImplemented { .. } => ErrorKind::Unimplemented,
            Self::Server(error) => error.kind(),
            Self::Timeout => ErrorKind::DeadlineExceeded,
            Self::TooMany { .. } => ErrorKind::ResourceExhausted,
        }
    }

    fn attributes(&self) -> Attributes {
        match self {
            Self::Field { field, expected } => {
                Attributes::from([("field", (*field).into()), ("type", (*expected).into())])
            }
            Self::NotImplemented { name } => Attributes::from([("name", name.as_str().into())]),
            Self::Server(error) => error.attributes(),
            Self::Short { expected, got, .. } => Attributes::from([
                ("expected_length", (*expected).into()),
                ("actual_length", (*got).into()),
            ]),
            Self::UnknownCommand { cid } => {
                Attributes::from([("command_id", u32::from(*cid).into())])
            }
            _ => Attributes::new(),
        }
    }
}

impl ApplicationServer {
    /// The package of a place.
    ///
    /// # Errors
    ///
    /// There is none, or what is stored cannot be read.
    pub fn association(&self, place: &Place) -> Result<Versioned<Association>, PackageError> {
        let stored = self.integration(&place.key()).ok_or(PackageError::NotFound)?;
        let value = Association::decode(&stored.value).map_err(Error::from)?;
        Ok(Versioned { revision: stored.revision, value })
    }

    /// The packages of all ports of a device, by port.
    #[must_use]
    pub fn associations(&self, device: &DeviceKey) -> Vec<(u8, Association)> {
        let kind = IntegrationKind::PackageAssociation;
        let of_device = |id: &str| {
            let (name, port) = id.split_once('/')?;
            (name == device.device_id.as_str()).then(|| port.parse().ok())?
        };
        self.read_associations(kind, &device.application_id, of_device)
    }

    /// The packages of all devices of an application, by port.
    #[must_use]
    pub fn default_associations(&self, application: &ApplicationId) -> Vec<(u8, Association)> {
        let kind = IntegrationKind::PackageDefaultAssociation;
        self.read_associations(kind, application, |id| id.parse().ok())
    }

    /// Associates a package with a place; what it is to do at once is done.
    ///
    /// # Errors
    ///
    /// The package is not built in, its data are wrong, another revision is stored, or the store failed.
    pub async fn set_association(
        &self,
        place: &Place,
        association: &Association,
        replaces: Replaces,
    ) -> Result<(), PackageError> {
        let name = &association.package_name;
        if !PACKAGES.iter().any(|(known, _)| known == name) {
            return Err(PackageError::NotImplemented { name: name.clone() });
        }
        let settings = alcsync::Settings::of(&association.data)?;
        let key = place.key();
        let all = self.integrations(key.kind, Some(&key.application_id));
        if all.len() >= ASSOCIATIONS_MAX && self.integration(&key).is_none() {
            return Err(PackageError::TooMany { max: ASSOCIATIONS_MAX });
        }
        self.set_integration(key, association.encode().into(), replaces).await?;
        self.refresh_package_ports();
        if let Place::Device(device, port) = place {
            alcsync::ask(self, device, *port, &settings).await;
        }
        Ok(())
    }

    /// Ends an association.
    ///
    /// # Errors
    ///
    /// There is none, or the store failed.
    pub async fn delete_association(&self, place: &Place) -> Result<(), PackageError> {
        let key = place.key();
        if self.integration(&key).is_none() {
            return Err(PackageError::NotFound);
        }
        self.delete_integration(&key, Replaces::Any).await?;
        self.refresh_package_ports();
        Ok(())
    }

    /// Hands a message that became durable to its package, if it has one.
    pub(crate) fn offer_to_packages(&self, record: &Record) {
        let Up::Uplink(uplink) = &record.up.up else { return };
        let port = uplink.f_port.filter(|port| self.packages.ports.lock().contains(port));
        let is_clear = record.state == RecordState::Deliver && !record.encrypted;
        if port.is_some() && is_clear && self.packages.sender.try_send(record.up.clone()).is_err() {
            tracing::warn!(device = %record.up.ids.key, "too many messages wait for packages");
        }
    }

    /// Works on what is offered to packages.
    pub(crate) async fn run_packages(&self) {
        self.refresh_package_ports();
        let Some(mut receiver) = self.packages.receiver.lock().take() else { return };
        let mut jobs = FuturesUnordered::new();
        loop {
            let has_room = jobs.len() < WORKERS;
            tokio::select! {
                biased;
                Some(()) = jobs.next(), if !jobs.is_empty() => {}
                Some(up) = receiver.recv(), if has_room => jobs.push(self.work_on(up)),
            }
        }
    }

    async fn work_on(&self, up: ApplicationUp) {
        let Up::Uplink(uplink) = &up.up else { return };
        let Some(port) = uplink.f_port else { return };
        let Some(data) = self.package_data(&up.ids.key, port) else { return };
        let deadline = self.clock.monotonic().plus(TIMEOUT);
        let work = std::pin::pin!(alcsync::handle(self, &up, uplink, port, &data));
        let done = match select(work, self.clock.sleep_until(deadline)).await {
            Either::Left((done, _)) => done,
            Either::Right(_) => Err(PackageError::Timeout),
        };
        if let Err(error) = done {
            alcsync::report_fail(self, &up.ids.key, &up.correlation_ids, &error);
        }
    }

    /// The data of a port's package: those of the device over those of the application.
    fn package_data(&self, device: &DeviceKey, port: u8) -> Option<Data> {
        let own = self.association(&Place::Device(device.clone(), port)).ok();
        let default = Place::Default(device.application_id.clone(), port);
        let default = self.association(&default).ok();
        let own = own.map(|stored| stored.value);
        let mut merged = default.map(|stored| stored.value);
        if let Some(own) = own {
            match &mut merged {
                Some(merged) if merged.package_name == own.package_name => {
                    merged.data.extend(own.data);
                }
                _ => merged = Some(own),
            }
        }
        merged.map(|association| association.data)
    }

    fn refresh_package_ports(&self) {
        let kinds =
            [IntegrationKind::PackageAssociation, IntegrationKind::PackageDefaultAssociation];
        let keys = kinds.into_iter().flat_map(|kind| self.integrations(kind, None));
        let ports = keys.filter_map(|(key, _)| key.id.rsplit('/').next()?.parse().ok());
        *self.packages.ports.lock() = ports.collect();
    }

    fn read_associations(
        &self,
        kind: IntegrationKind,
        application: &ApplicationId,
        port: impl Fn(&str) -> Option<u8>,
    ) -> Vec<(u8, Association)> {
        let all = self.integrations(kind, Some(application)).into_iter();
        let mut found: Vec<_> = all
            .filter_map(|(key, stored)| {
                Some((port(&key.id)?, Association::decode(&stored.value).ok()?))
            })
            .collect();
        found.sort_by_key(|(port, _)| *port);
        found
    }
}
