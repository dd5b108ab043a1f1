//! What other components ask about entities.

use async_trait::async_trait;
use ttn_core::{
    auth::Principal,
    eui::{DevEui, GatewayEui, JoinEui},
    id::{ApplicationId, DeviceIds, DeviceKey, EntityId, FrequencyPlanId, GatewayId, GatewayIds},
    msg::{Location, LocationSource, PathConstraint},
    peer::{
        ApplicationInfo, DeviceInfo, DeviceUpdate, DeviceVersionIds, Directory, GatewayInfo,
        GatewayReport, PeerError,
    },
    store::Replaces,
    time::Timestamp,
};

use crate::{
    entity::{device_key, device_of_key, euis_key},
    error::Error,
    record::{self, Device},
    server::IdentityServer,
    store::{IdentityStoreExt as _, Table, Transaction, WriteError},
};

impl IdentityServer {
    async fn find_gateway(&self, id: &GatewayId) -> Result<Option<GatewayInfo>, Error> {
        if let Some(known) = self.gateways.get(id) {
            return Ok(Some(known));
        }
        let generation = self.gateways.generation();
        let stored = self.store.record::<record::Gateway>(id.as_str()).await?;
        let Some(gateway) = stored.map(|stored| stored.value) else { return Ok(None) };
        if gateway.deleted_at.is_some() {
            return Ok(None);
        }
        let info = gateway_info(id, &gateway);
        self.gateways.insert(generation, info.clone());
        Ok(Some(info))
    }

    async fn find_gateway_by_eui(&self, eui: GatewayEui) -> Result<Option<GatewayInfo>, Error> {
        let id = match self.gateways.id_of(eui) {
            Some(id) => id,
            None => {
                let stored = self.store.text(Table::GatewayOfEui, &eui.to_string()).await?;
                let Some(stored) = stored else { return Ok(None) };
                stored.value.parse()?
            }
        };
        self.find_gateway(&id).await
    }

    pub(crate) async fn find_device(
        &self,
        join_eui: JoinEui,
        dev_eui: DevEui,
    ) -> Result<Option<Device>, Error> {
        let key = euis_key(join_eui, dev_eui);
        let Some(key) = self.store.text(Table::DeviceOfEuis, &key).await? else { return Ok(None) };
        Ok(self.store.record::<Device>(&key.value).await?.map(|device| device.value))
    }

    /// The address of the Network Server of a device, perhaps empty; `None` if nobody registered the device. For other
    /// networks, that have no rights here (IS-58).
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn network_server_of(
        &self,
        join_eui: JoinEui,
        dev_eui: DevEui,
    ) -> Result<Option<String>, Error> {
        let device = self.find_device(join_eui, dev_eui).await?;
        Ok(device.map(|device| device.network_server_address))
    }

    async fn take_report(&self, id: &GatewayId, report: &GatewayReport) -> Result<(), Error> {
        let entity = EntityId::Gateway(id.clone());
        let mut known = self.live::<record::Gateway>(&entity).await?.value;
        let changed = apply_report(&mut known, report);
        if changed.is_empty() {
            return Ok(());
        }
        // The gateway itself says so, whoever asked.
        let caller = Principal::anonymous();
        let write =
            self.update_entity::<record::Gateway, _>(&caller, &entity, &changed, |gateway| {
                apply_report(gateway, report);
                Ok(())
            });
        write.await.map(drop)
    }

    /// Notes when a device was last heard; never goes back in time.
    pub(crate) async fn see(&self, key: &DeviceKey, at: Timestamp) -> Result<(), Error> {
        self.change_device(key, |device| {
            let later = device.last_seen_at.is_none_or(|seen| Timestamp::from(seen) < at);
            if later {
                device.last_seen_at = Some(at.into());
            }
            later
        })
        .await
    }

    /// Changes a device behind everybody's back; `change` says whether it did.
    async fn change_device(
        &self,
        key: &DeviceKey,
        change: impl Fn(&mut Device) -> bool,
    ) -> Result<(), Error> {
        for _ in 0..CHANGE_TRIES {
            let stored = self.store.record::<Device>(&device_key(key)).await?;
            // A device that was deleted meanwhile is nobody's error.
            let Some(mut device) = stored else { return Ok(()) };
            if !change(&mut device.value) {
                return Ok(());
            }
            let write = Transaction::new().put(&device.value, Replaces::Revision(device.revision));
            match write.commit(&*self.store).await {
                Ok(_) => return Ok(()),
                Err(WriteError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        // Somebody else writes this device all the time; the next report tries again.
        Ok(())
    }
}

/// Gives the names of the fields that changed.
fn apply_report(gateway: &mut record::Gateway, report: &GatewayReport) -> Vec<String> {
    let mut changed = Vec::new();
    if let Some(place) = report.location {
        let place = record::Location {
            latitude: place.latitude,
            longitude: place.longitude,
            altitude: place.altitude,
            accuracy: place.accuracy,
            source: 1,
        };
        if gateway.antennas.is_empty() {
            gateway.antennas.push(record::Antenna::default());
        }
        if let Some(antenna) = gateway.antennas.first_mut()
            && antenna.location != Some(place)
        {
            antenna.location = Some(place);
            changed.push("antennas".to_owned());
        }
    }
    let mut attributes = false;
    for (name, value) in &report.attributes {
        let before = gateway.attributes.insert(name.clone(), value.clone());
        attributes |= before.as_ref() != Some(value);
    }
    if attributes {
        changed.push("attributes".to_owned());
    }
    changed
}

fn gateway_info(id: &GatewayId, gateway: &record::Gateway) -> GatewayInfo {
    let plans = gateway.frequency_plan_ids.iter().chain(
        // Old clients only set the single field.
        Some(&gateway.frequency_plan_id).filter(|_| gateway.frequency_plan_ids.is_empty()),
    );
    GatewayInfo {
        ids: GatewayIds { gateway_id: id.clone(), eui: gateway.eui() },
        frequency_plan_ids: plans.filter_map(|plan| FrequencyPlanId::new(plan).ok()).collect(),
        enforce_duty_cycle: gateway.enforce_duty_cycle,
        require_authenticated_connection: gateway.require_authenticated_connection,
        schedule_downlink_late: gateway.schedule_downlink_late,
        schedule_anytime_delay: gateway.schedule_anytime_delay.and_then(|delay| {
            let seconds = u64::try_from(delay.seconds).ok()?;
            Some(core::time::Duration::new(seconds, u32::try_from(delay.nanos).ok()?))
        }),
        path_constraint: match gateway.downlink_path_constraint {
            1 => PathConstraint::PreferOther,
            2 => PathConstraint::Never,
            _ => PathConstraint::None,
        },
        antennas: gateway
            .antennas
            .iter()
            .map(|antenna| (antenna.gain, antenna.location.map(location)))
            .collect(),
        location_public: gateway.location_public,
        status_public: gateway.status_public,
        update_location_from_status: gateway.update_location_from_status,
        disable_packet_broker_forwarding: gateway.disable_packet_broker_forwarding,
        gateway_server_address: gateway.gateway_server_address.clone(),
    }
}

const fn location(location: record::Location) -> Location {
    Location {
        latitude: location.latitude,
        longitude: location.longitude,
        altitude: location.altitude,
        accuracy: location.accuracy,
        source: match location.source {
            1 => LocationSource::Gps,
            3 => LocationSource::Registry,
            _ => LocationSource::Unknown,
        },
    }
}

fn record_location(location: &Location) -> record::Location {
    record::Location {
        latitude: location.latitude,
        longitude: location.longitude,
        altitude: location.altitude,
        accuracy: location.accuracy,
        source: match location.source {
            LocationSource::Unknown => 0,
            LocationSource::Gps => 1,
            LocationSource::Registry => 3,
        },
    }
}

fn device_info(device: &Device) -> DeviceInfo {
    let locations = device.locations.iter();
    DeviceInfo {
        locations: locations.map(|(service, at)| (service.clone(), location(*at))).collect(),
        version_ids: device.version_ids.as_ref().map(|version| DeviceVersionIds {
            brand_id: version.brand_id.clone(),
            model_id: version.model_id.clone(),
            hardware_version: version.hardware_version.clone(),
            firmware_version: version.firmware_version.clone(),
            band_id: version.band_id.clone(),
        }),
    }
}

#[async_trait]
impl Directory for IdentityServer {
    async fn gateway_by_eui(&self, eui: GatewayEui) -> Result<Option<GatewayInfo>, PeerError> {
        Ok(self.find_gateway_by_eui(eui).await?)
    }

    async fn gateway(&self, id: &GatewayId) -> Result<Option<GatewayInfo>, PeerError> {
        Ok(self.find_gateway(id).await?)
    }

    async fn application(&self, id: &ApplicationId) -> Result<Option<ApplicationInfo>, PeerError> {
        let stored = self.store.record::<record::Application>(id.as_str()).await;
        let stored = stored.map_err(Error::from)?.map(|stored| stored.value);
        let lives = stored.filter(|application| application.deleted_at.is_none());
        Ok(lives.map(|application| ApplicationInfo {
            id: id.clone(),
            attributes: application.attributes.into_iter().collect(),
        }))
    }

    async fn device_ids_by_euis(
        &self,
        join_eui: JoinEui,
        dev_eui: DevEui,
    ) -> Result<Option<DeviceIds>, PeerError> {
        let device = self.store.text(Table::DeviceOfEuis, &euis_key(join_eui, dev_eui)).await;
        let device = device.map_err(Error::from)?;
        let key = device.and_then(|key| device_of_key(&key.value));
        Ok(key.map(|key| DeviceIds {
            key,
            dev_eui: Some(dev_eui),
            join_eui: Some(join_eui),
            dev_addr: None,
        }))
    }

    async fn device(&self, device: &DeviceKey) -> Result<Option<DeviceInfo>, PeerError> {
        let stored = self.store.record::<Device>(&device_key(device)).await.map_err(Error::from)?;
        Ok(stored.map(|stored| device_info(&stored.value)))
    }

    async fn update_device(
        &self,
        device: &DeviceKey,
        update: DeviceUpdate,
    ) -> Result<(), PeerError> {
        let changed = self.change_device(device, |device| match &update {
            DeviceUpdate::Activated(at) => {
                let is_first = device.activated_at.is_none();
                device.activated_at.get_or_insert_with(|| (*at).into());
                is_first
            }
            DeviceUpdate::Located { service, location } => {
                let location = record_location(location);
                let has_room = device.locations.len() < LOCATIONS_MAX;
                let known = device.locations.get(service);
                let is_new = known.map_or(has_room, |known| *known != location);
                if is_new {
                    device.locations.insert(service.clone(), location);
                }
                is_new
            }
            _ => false,
        });
        Ok(changed.await?)
    }

    async fn report_gateway(&self, id: &GatewayId, report: GatewayReport) -> Result<(), PeerError> {
        Ok(self.take_report(id, &report).await?)
    }

    async fn report_last_seen(&self, seen: Vec<(DeviceKey, Timestamp)>) -> Result<(), PeerError> {
        for (key, at) in seen {
            self.see(&key, at).await?;
        }
        Ok(())
    }
}

/// How often a report is tried against other writers.
const CHANGE_TRIES: usize = 4;
/// How many places of a device are kept.
const LOCATIONS_MAX: usize = 64;
