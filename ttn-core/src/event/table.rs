//! Every event of the API (EVT-08), by name, and those that only this server has.

use super::EventDefinition;
use crate::auth::Right;

macro_rules! events {
    ($($name:literal [$($right:ident),*] $data_type:literal [$($flag:ident)*] $description:literal;)*) => {
        &numbered([$(EventDefinition {
            name: $name,
            description: $description,
            visibility: &[$(Right::$right),*],
            data_type: $data_type,
            propagate_to_parent: false $(|| flag::$flag.0)*,
            names_caller: false $(|| flag::$flag.1)*,
            place: 0,
        },)*])
    };
}

/// Every definition knows its place, so that nobody has to look for it.
const fn numbered<const N: usize>(mut rows: [EventDefinition; N]) -> [EventDefinition; N] {
    let mut index = 0;
    while index < N {
        rows[index].place = index;
        index += 1;
    }
    rows
}

/// What the flags of a row set: `propagate_to_parent` and `names_caller`.
mod flag {
    pub(super) const CALLER: (bool, bool) = (false, true);
    pub(super) const PARENT: (bool, bool) = (true, false);
}

/// The events of the API, ordered by name.
pub static ALL: &[EventDefinition] = events! {
    "account.user.login_failed" [UserAll] "" [CALLER] "Somebody failed to log in as a user.";
    "application.api-key.create" [ApplicationSettingsApiKeys] "" [CALLER] "An application got an API key.";
    "application.api-key.delete" [ApplicationSettingsApiKeys] "" [CALLER] "An application lost an API key.";
    "application.api-key.update" [ApplicationSettingsApiKeys] "" [CALLER] "An application has an API key that was changed.";
    "application.collaborator.delete" [ApplicationSettingsCollaborators, UserApplicationsList] "" [CALLER] "An application lost a collaborator.";
    "application.collaborator.update" [ApplicationSettingsCollaborators, UserApplicationsList] "" [CALLER] "An application got a collaborator, or one got other rights.";
    "application.create" [ApplicationInfo] "" [CALLER] "An application was registered.";
    "application.delete" [ApplicationInfo] "" [CALLER] "An application was deleted.";
    "application.issue_dev_eui" [ApplicationInfo] "" [CALLER] "A DevEUI was drawn from the application's block.";
    "application.purge" [ApplicationInfo] "" [CALLER] "An application was purged, with everything kept about it.";
    "application.restore" [ApplicationInfo] "" [CALLER] "An application was restored.";
    "application.update" [ApplicationInfo] "google.protobuf.Value" [CALLER] "An application was changed; the data lists the fields.";
    "as.application.subscribe" [ApplicationLink] "" [] "A client began to read the application's messages.";
    "as.application.unsubscribe" [ApplicationLink] "" [] "A client stopped reading the application's messages.";
    "as.down.data.ack.forward" [ApplicationTrafficRead] "ttn.lorawan.v3.ApplicationUp" [PARENT] "The device's acknowledgement of a downlink was forwarded.";
    "as.down.data.decode.fail" [ApplicationTrafficRead] "ttn.lorawan.v3.ErrorDetails" [PARENT] "The formatter could not decode a downlink.";
    "as.down.data.decode.warning" [ApplicationTrafficRead] "ttn.lorawan.v3.ApplicationDownlink" [PARENT] "The formatter found something odd in a downlink.";
    "as.down.data.drop" [ApplicationTrafficRead] "ttn.lorawan.v3.ErrorDetails" [PARENT] "A downlink message was dropped.";
    "as.down.data.encode.fail" [ApplicationTrafficRead] "ttn.lorawan.v3.ErrorDetails" [PARENT] "The formatter could not encode a downlink.";
    "as.down.data.encode.warning" [ApplicationTrafficRead] "ttn.lorawan.v3.ApplicationDownlink" [PARENT] "The formatter found something odd while it encoded a downlink.";
    "as.down.data.failed.forward" [ApplicationTrafficRead] "ttn.lorawan.v3.ApplicationUp" [PARENT] "A failed downlink was reported to the application.";
    "as.down.data.forward" [ApplicationTrafficRead] "ttn.lorawan.v3.ApplicationDownlink" [CALLER] "A downlink was queued at the Network Server.";
    "as.down.data.nack.forward" [ApplicationTrafficRead] "ttn.lorawan.v3.ApplicationUp" [PARENT] "A downlink that the device did not acknowledge was reported to the application.";
    "as.down.data.queue.invalidated.forward" [ApplicationTrafficRead] "ttn.lorawan.v3.ApplicationUp" [PARENT] "A downlink queue that must be encrypted anew was reported to the application.";
    "as.down.data.receive" [ApplicationTrafficRead] "ttn.lorawan.v3.ApplicationDownlink" [PARENT CALLER] "Downlinks came from the application.";
    "as.down.data.sent.forward" [ApplicationTrafficRead] "ttn.lorawan.v3.ApplicationUp" [PARENT] "A sent downlink was reported to the application.";
    "as.end_device.batch.delete" [ApplicationDevicesRead] "ttn.lorawan.v3.EndDeviceIdentifiersList" [PARENT CALLER] "End devices were deleted from the Application Server.";
    "as.end_device.create" [ApplicationDevicesRead] "" [PARENT CALLER] "An end device was registered at the Application Server.";
    "as.end_device.delete" [ApplicationDevicesRead] "" [PARENT CALLER] "An end device was deleted from the Application Server.";
    "as.end_device.update" [ApplicationDevicesRead] "google.protobuf.Value" [PARENT CALLER] "An end device was changed at the Application Server.";
    "as.mqtt.connect.fail" [ApplicationTrafficRead] "ttn.lorawan.v3.ErrorDetails" [] "An MQTT client could not connect.";
    "as.packages.alcsync.v1.fail" [ApplicationTrafficRead] "ttn.lorawan.v3.ErrorDetails" [PARENT] "Clock synchronization failed.";
    "as.packages.alcsync.v1.time_correction.answer_enqueued" [ApplicationTrafficRead] "ttn.lorawan.v3.ALCSyncCommand.AppTimeAns" [] "An answer of clock synchronization was queued.";
    "as.packages.alcsync.v1.time_correction.cmd_received" [ApplicationTrafficRead] "ttn.lorawan.v3.ALCSyncCommand.AppTimeReq" [] "A command of clock synchronization came.";
    "as.packages.loraclouddmsv1.fail" [ApplicationTrafficRead] "ttn.lorawan.v3.ErrorDetails" [PARENT] "LoRa Cloud device management failed.";
    "as.packages.loracloudglsv3.fail" [ApplicationTrafficRead] "ttn.lorawan.v3.ErrorDetails" [PARENT] "LoRa Cloud geolocation failed.";
    "as.pubsub.delete" [ApplicationSettingsBasic] "" [CALLER] "A pub/sub was deleted.";
    "as.pubsub.fail" [ApplicationSettingsBasic, ApplicationTrafficRead, ApplicationTrafficDownWrite] "ttn.lorawan.v3.ErrorDetails" [] "A pub/sub failed.";
    "as.pubsub.set" [ApplicationSettingsBasic] "" [CALLER] "A pub/sub was set.";
    "as.pubsub.start" [ApplicationSettingsBasic, ApplicationTrafficRead, ApplicationTrafficDownWrite] "" [] "A pub/sub connected.";
    "as.pubsub.stop" [ApplicationSettingsBasic, ApplicationTrafficRead, ApplicationTrafficDownWrite] "" [] "A pub/sub disconnected.";
    "as.up.data.decode.fail" [ApplicationTrafficRead] "ttn.lorawan.v3.ErrorDetails" [PARENT] "The formatter could not decode an uplink.";
    "as.up.data.decode.warning" [ApplicationTrafficRead] "ttn.lorawan.v3.ApplicationUplink" [PARENT] "The formatter found something odd in an uplink.";
    "as.up.data.drop" [ApplicationTrafficRead] "ttn.lorawan.v3.ErrorDetails" [PARENT] "An uplink was dropped by the Application Server.";
    "as.up.data.forward" [ApplicationTrafficRead] "ttn.lorawan.v3.ApplicationUp" [PARENT] "An uplink was forwarded to the application.";
    "as.up.data.normalize.warning" [ApplicationTrafficRead] "ttn.lorawan.v3.ApplicationUplink" [PARENT] "A decoded payload has no sound normalized form.";
    "as.up.data.receive" [ApplicationTrafficRead] "" [] "An uplink came to the Application Server.";
    "as.up.join.drop" [ApplicationTrafficRead] "ttn.lorawan.v3.ErrorDetails" [PARENT] "A join-accept message was dropped by the Application Server.";
    "as.up.join.forward" [ApplicationTrafficRead] "ttn.lorawan.v3.ApplicationUp" [PARENT] "A join was reported to the application.";
    "as.up.join.receive" [ApplicationTrafficRead] "" [] "A join-accept message came to the Application Server.";
    "as.up.location.forward" [ApplicationTrafficRead] "ttn.lorawan.v3.ApplicationUp" [PARENT] "A location was forwarded to the application.";
    "as.up.normalized.forward" [ApplicationTrafficRead] "ttn.lorawan.v3.ApplicationUp" [PARENT] "A normalized payload was forwarded to the application.";
    "as.up.service.forward" [ApplicationTrafficRead] "ttn.lorawan.v3.ApplicationUp" [PARENT] "Service data was forwarded to the application.";
    "as.webhook.fail" [ApplicationTrafficRead] "ttn.lorawan.v3.ErrorDetails" [PARENT] "A webhook failed.";
    "client.collaborator.delete" [ClientSettingsCollaborators, UserClientsList] "" [CALLER] "An OAuth client lost a collaborator.";
    "client.collaborator.update" [ClientSettingsCollaborators, UserClientsList] "" [CALLER] "An OAuth client got a collaborator, or one got other rights.";
    "client.create" [ClientInfo] "" [CALLER] "An OAuth client was registered.";
    "client.delete" [ClientInfo] "" [CALLER] "An OAuth client was deleted.";
    "client.purge" [ClientInfo] "" [CALLER] "An OAuth client was purged, with everything kept about it.";
    "client.restore" [ClientInfo] "" [CALLER] "An OAuth client was restored.";
    "client.update" [ClientInfo] "google.protobuf.Value" [CALLER] "An OAuth client was changed; the data lists the fields.";
    "dcs.end_device.claim.abort" [ApplicationDevicesRead] "" [] "The claim of an end device was given up.";
    "dcs.end_device.claim.fail" [ApplicationDevicesRead, ApplicationDevicesReadKeys] "" [] "An end device could not be claimed.";
    "dcs.end_device.claim.success" [ApplicationDevicesRead] "" [] "An end device was claimed.";
    "dcs.end_device.unclaim.fail" [ApplicationDevicesRead, ApplicationDevicesReadKeys] "" [] "The claim of an end device could not be ended.";
    "dcs.end_device.unclaim.success" [ApplicationDevicesRead] "" [] "The claim of an end device was ended.";
    "dcs.gateway.claim.abort" [GatewayStatusRead] "" [] "The claim of a gateway was given up.";
    "dcs.gateway.claim.fail" [GatewayStatusRead] "" [] "A gateway could not be claimed.";
    "dcs.gateway.claim.success" [GatewayStatusRead] "" [] "A gateway was claimed.";
    "dcs.gateway.unclaim.fail" [GatewayStatusRead] "" [] "The claim of a gateway could not be ended.";
    "dcs.gateway.unclaim.success" [GatewayStatusRead] "" [] "The claim of a gateway was ended.";
    "end_device.batch.delete" [ApplicationDevicesRead] "ttn.lorawan.v3.EndDeviceIdentifiersList" [PARENT CALLER] "An end device is one of several that were deleted at once.";
    "end_device.create" [ApplicationDevicesRead] "" [PARENT CALLER] "An end device was registered.";
    "end_device.delete" [ApplicationDevicesRead] "" [PARENT CALLER] "An end device was deleted.";
    "end_device.update" [ApplicationDevicesRead] "google.protobuf.Value" [PARENT CALLER] "An end device was changed; the data lists the fields.";
    "gateway.api-key.create" [GatewaySettingsApiKeys] "" [CALLER] "A gateway got an API key.";
    "gateway.api-key.delete" [GatewaySettingsApiKeys] "" [CALLER] "A gateway lost an API key.";
    "gateway.api-key.update" [GatewaySettingsApiKeys] "" [CALLER] "A gateway has an API key that was changed.";
    "gateway.batch.delete" [GatewayInfo] "ttn.lorawan.v3.GatewayIdentifiersList" [PARENT CALLER] "A gateway is one of several that were deleted at once.";
    "gateway.collaborator.delete" [GatewaySettingsCollaborators, UserGatewaysList] "" [CALLER] "A gateway lost a collaborator.";
    "gateway.collaborator.update" [GatewaySettingsCollaborators, UserGatewaysList] "" [CALLER] "A gateway got a collaborator, or one got other rights.";
    "gateway.create" [GatewayInfo] "" [CALLER] "A gateway was registered.";
    "gateway.delete" [GatewayInfo] "" [CALLER] "A gateway was deleted.";
    "gateway.purge" [GatewayInfo] "" [CALLER] "A gateway was purged, with everything kept about it.";
    "gateway.restore" [GatewayInfo] "" [CALLER] "A gateway was restored.";
    "gateway.update" [GatewayInfo] "google.protobuf.Value" [CALLER] "A gateway was changed; the data lists the fields.";
    "gcs.managed.cellular.down" [GatewayInfo] "" [] "A managed gateway lost its cellular backhaul.";
    "gcs.managed.cellular.up" [GatewayInfo] "ttn.lorawan.v3.ManagedGatewayCellularBackhaul" [] "A managed gateway has a cellular backhaul.";
    "gcs.managed.controller.down" [GatewayInfo] "" [] "A managed gateway lost its controller.";
    "gcs.managed.controller.up" [GatewayInfo] "ttn.lorawan.v3.ManagedGatewayControllerConnection" [] "A managed gateway reached its controller.";
    "gcs.managed.ethernet.down" [GatewayInfo] "" [] "A managed gateway lost its Ethernet backhaul.";
    "gcs.managed.ethernet.up" [GatewayInfo] "ttn.lorawan.v3.ManagedGatewayEthernetBackhaul" [] "A managed gateway has an Ethernet backhaul.";
    "gcs.managed.gs.down" [GatewayInfo] "" [] "A managed gateway lost its Gateway Server.";
    "gcs.managed.gs.up" [GatewayInfo] "ttn.lorawan.v3.ManagedGatewayGatewayServerConnection" [] "A managed gateway reached its Gateway Server.";
    "gcs.managed.location.update" [GatewayInfo] "ttn.lorawan.v3.Location" [] "A managed gateway has another location.";
    "gcs.managed.system_status.receive" [GatewayInfo] "ttn.lorawan.v3.ManagedGatewaySystemStatus" [] "A managed gateway sent its system status.";
    "gcs.managed.update" [GatewayInfo] "ttn.lorawan.v3.ManagedGateway" [] "A managed gateway was changed.";
    "gcs.managed.wifi.down" [GatewayInfo] "" [] "A managed gateway lost its Wi-Fi backhaul.";
    "gcs.managed.wifi.fail" [GatewayInfo] "" [] "A managed gateway could not join a Wi-Fi network.";
    "gcs.managed.wifi.up" [GatewayInfo] "ttn.lorawan.v3.ManagedGatewayWiFiBackhaul" [] "A managed gateway has a Wi-Fi backhaul.";
    "gs.down.schedule.attempt" [GatewayTrafficRead] "ttn.lorawan.v3.DownlinkMessage" [] "A downlink is tried on a gateway.";
    "gs.down.schedule.fail" [GatewayTrafficRead] "ttn.lorawan.v3.ErrorDetails" [] "A gateway cannot take a downlink.";
    "gs.down.send" [GatewayTrafficRead] "ttn.lorawan.v3.DownlinkMessage" [] "A downlink was sent to the gateway.";
    "gs.down.tx.fail" [GatewayTrafficRead] "google.protobuf.Value" [] "The gateway did not transmit a downlink.";
    "gs.down.tx.success" [GatewayTrafficRead] "" [] "The gateway transmitted a downlink.";
    "gs.gateway.connect" [GatewayLink, GatewayStatusRead] "ttn.lorawan.v3.GatewayConnectionStats" [CALLER] "A gateway connected.";
    "gs.gateway.connection.stats" [GatewayLink, GatewayStatusRead] "ttn.lorawan.v3.GatewayConnectionStats" [] "The statistics of a gateway's connection changed.";
    "gs.gateway.disconnect" [GatewayLink, GatewayStatusRead] "ttn.lorawan.v3.ErrorDetails" [] "A gateway disconnected.";
    "gs.io.status.drop" [GatewayStatusRead] "ttn.lorawan.v3.ErrorDetails" [] "A gateway's status was dropped before the Gateway Server took it.";
    "gs.io.tx.ack.drop" [GatewayTrafficRead] "ttn.lorawan.v3.ErrorDetails" [] "A gateway's report on a transmission was dropped before the Gateway Server took it.";
    "gs.io.up.drop" [GatewayTrafficRead] "ttn.lorawan.v3.ErrorDetails" [] "A gateway's uplink was dropped before the Gateway Server took it.";
    "gs.io.up.repeat" [GatewayTrafficRead] "ttn.lorawan.v3.GatewayIdentifiers" [] "A gateway sent the same reception again.";
    "gs.status.drop" [GatewayStatusRead] "ttn.lorawan.v3.ErrorDetails" [] "A gateway's status was dropped.";
    "gs.status.receive" [GatewayStatusRead] "ttn.lorawan.v3.GatewayStatus" [] "A gateway sent its status.";
    "gs.txack.drop" [GatewayStatusRead] "ttn.lorawan.v3.ErrorDetails" [] "A gateway's report on a transmission was dropped.";
    "gs.txack.forward" [GatewayTrafficRead] "" [] "A gateway's report on a transmission was forwarded.";
    "gs.txack.receive" [GatewayTrafficRead] "ttn.lorawan.v3.TxAcknowledgment" [] "A gateway reported on a transmission.";
    "gs.up.drop" [GatewayTrafficRead] "ttn.lorawan.v3.ErrorDetails" [] "A gateway's uplink was dropped.";
    "gs.up.forward" [GatewayTrafficRead] "" [] "A gateway's uplink was forwarded.";
    "gs.up.receive" [GatewayTrafficRead] "ttn.lorawan.v3.GatewayUplinkMessage" [] "A gateway sent an uplink.";
    "invitation.create" [] "" [CALLER] "A user was invited.";
    "js.end_device.batch.delete" [ApplicationDevicesRead] "ttn.lorawan.v3.EndDeviceIdentifiersList" [PARENT CALLER] "End devices were deleted from the Join Server.";
    "js.end_device.create" [ApplicationDevicesRead] "" [PARENT CALLER] "An end device was registered at the Join Server.";
    "js.end_device.delete" [ApplicationDevicesRead] "" [PARENT CALLER] "An end device was deleted from the Join Server.";
    "js.end_device.update" [ApplicationDevicesRead] "google.protobuf.Value" [PARENT CALLER] "An end device was changed at the Join Server.";
    "js.join.accept" [ApplicationTrafficRead] "" [PARENT] "A join was accepted.";
    "js.join.reject" [ApplicationTrafficRead] "ttn.lorawan.v3.ErrorDetails" [PARENT] "A join was refused.";
    "ns.class.switch.a" [ApplicationTrafficRead] "" [PARENT] "The device changed to class A.";
    "ns.class.switch.b" [ApplicationTrafficRead] "" [PARENT] "The device changed to class B.";
    "ns.class.switch.c" [ApplicationTrafficRead] "" [PARENT] "The device changed to class C.";
    "ns.down.data.schedule.attempt" [ApplicationTrafficRead] "ttn.lorawan.v3.DownlinkMessage" [] "A data downlink was offered to the Gateway Server.";
    "ns.down.data.schedule.fail" [ApplicationTrafficRead] "ttn.lorawan.v3.ErrorDetails" [PARENT] "A data downlink was not scheduled.";
    "ns.down.data.schedule.success" [ApplicationTrafficRead] "ttn.lorawan.v3.ScheduleDownlinkResponse" [] "A data downlink was scheduled.";
    "ns.down.join.schedule.attempt" [ApplicationTrafficRead] "ttn.lorawan.v3.DownlinkMessage" [] "A join-accept was offered to the Gateway Server.";
    "ns.down.join.schedule.fail" [ApplicationTrafficRead] "ttn.lorawan.v3.ErrorDetails" [PARENT] "A join-accept was not scheduled.";
    "ns.down.join.schedule.success" [ApplicationTrafficRead] "ttn.lorawan.v3.ScheduleDownlinkResponse" [] "A join-accept was scheduled.";
    "ns.down.rx.parameters.fail" [ApplicationTrafficRead] "ttn.lorawan.v3.ErrorDetails" [PARENT] "No receive window fits a downlink.";
    "ns.down.transmission.fail" [ApplicationTrafficRead] "ttn.lorawan.v3.ErrorDetails" [PARENT] "A downlink was not transmitted.";
    "ns.down.transmission.success" [ApplicationTrafficRead] "ttn.lorawan.v3.DownlinkMessage" [] "A downlink was transmitted.";
    "ns.end_device.batch.delete" [ApplicationDevicesRead] "ttn.lorawan.v3.EndDeviceIdentifiersList" [PARENT CALLER] "End devices were deleted from the Network Server.";
    "ns.end_device.create" [ApplicationDevicesRead] "" [PARENT CALLER] "An end device was registered at the Network Server.";
    "ns.end_device.delete" [ApplicationDevicesRead] "" [PARENT CALLER] "An end device was deleted from the Network Server.";
    "ns.end_device.update" [ApplicationDevicesRead] "google.protobuf.Value" [PARENT CALLER] "An end device was changed at the Network Server.";
    "ns.mac.adr_param_setup.answer" [ApplicationTrafficRead] "" [] "The device answered ADRParamSetupReq.";
    "ns.mac.adr_param_setup.request" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.ADRParamSetupReq" [] "ADRParamSetupReq was queued for the device.";
    "ns.mac.beacon_freq.answer.accept" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.BeaconFreqAns" [] "The device accepted BeaconFreqReq.";
    "ns.mac.beacon_freq.answer.reject" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.BeaconFreqAns" [] "The device rejected BeaconFreqReq.";
    "ns.mac.beacon_freq.request" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.BeaconFreqReq" [] "BeaconFreqReq was queued for the device.";
    "ns.mac.command.parse.fail" [ApplicationTrafficRead] "ttn.lorawan.v3.ErrorDetails" [PARENT] "MAC commands could not be read to their end.";
    "ns.mac.command.process.fail" [ApplicationTrafficRead] "ttn.lorawan.v3.ErrorDetails" [PARENT] "A MAC command could not be processed.";
    "ns.mac.command.unanswered" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommands" [] "The device did not answer a MAC command.";
    "ns.mac.command.unknown" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand" [] "The device sent an unknown MAC command.";
    "ns.mac.dev_status.answer" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.DevStatusAns" [] "The device answered DevStatusReq.";
    "ns.mac.dev_status.request" [ApplicationTrafficRead] "" [] "DevStatusReq was queued for the device.";
    "ns.mac.device_mode.confirmation" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.DeviceModeConf" [] "DeviceModeConf was queued for the device.";
    "ns.mac.device_mode.indication" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.DeviceModeInd" [] "The device sent DeviceModeInd.";
    "ns.mac.device_time.answer" [ApplicationTrafficRead] "" [] "DeviceTimeAns was queued for the device.";
    "ns.mac.device_time.request" [ApplicationTrafficRead] "" [] "The device sent DeviceTimeReq.";
    "ns.mac.dl_channel.answer.accept" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.DLChannelAns" [] "The device accepted DLChannelReq.";
    "ns.mac.dl_channel.answer.reject" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.DLChannelAns" [] "The device rejected DLChannelReq.";
    "ns.mac.dl_channel.request" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.DLChannelReq" [] "DLChannelReq was queued for the device.";
    "ns.mac.duty_cycle.answer" [ApplicationTrafficRead] "" [] "The device answered DutyCycleReq.";
    "ns.mac.duty_cycle.request" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.DutyCycleReq" [] "DutyCycleReq was queued for the device.";
    "ns.mac.force_rejoin.request" [ApplicationTrafficRead] "" [] "ForceRejoinReq was queued for the device.";
    "ns.mac.link_adr.answer.accept" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.LinkADRAns" [] "The device accepted LinkADRReq.";
    "ns.mac.link_adr.answer.reject" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.LinkADRAns" [] "The device rejected LinkADRReq.";
    "ns.mac.link_adr.request" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.LinkADRReq" [] "LinkADRReq was queued for the device.";
    "ns.mac.link_check.answer" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.LinkCheckAns" [] "LinkCheckAns was queued for the device.";
    "ns.mac.link_check.request" [ApplicationTrafficRead] "" [] "The device sent LinkCheckReq.";
    "ns.mac.new_channel.answer.accept" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.NewChannelAns" [] "The device accepted NewChannelReq.";
    "ns.mac.new_channel.answer.reject" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.NewChannelAns" [] "The device rejected NewChannelReq.";
    "ns.mac.new_channel.request" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.NewChannelReq" [] "NewChannelReq was queued for the device.";
    "ns.mac.ping_slot_channel.answer.accept" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.PingSlotChannelAns" [] "The device accepted PingSlotChannelReq.";
    "ns.mac.ping_slot_channel.answer.reject" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.PingSlotChannelAns" [] "The device rejected PingSlotChannelReq.";
    "ns.mac.ping_slot_channel.request" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.PingSlotChannelReq" [] "PingSlotChannelReq was queued for the device.";
    "ns.mac.ping_slot_info.answer" [ApplicationTrafficRead] "" [] "PingSlotInfoAns was queued for the device.";
    "ns.mac.ping_slot_info.request" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.PingSlotInfoReq" [] "The device sent PingSlotInfoReq.";
    "ns.mac.proprietary.receive" [ApplicationTrafficRead] "" [] "The device sent a proprietary MAC command.";
    "ns.mac.rejoin_param_setup.answer" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.RejoinParamSetupAns" [] "The device answered RejoinParamSetupReq.";
    "ns.mac.rejoin_param_setup.request" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.RejoinParamSetupReq" [] "RejoinParamSetupReq was queued for the device.";
    "ns.mac.rekey.confirmation" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.RekeyConf" [] "RekeyConf was queued for the device.";
    "ns.mac.rekey.indication" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.RekeyInd" [] "The device sent RekeyInd.";
    "ns.mac.relay_conf.answer.accept" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.RelayConfAns" [] "The device accepted RelayConfReq.";
    "ns.mac.relay_conf.answer.reject" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.RelayConfAns" [] "The device rejected RelayConfReq.";
    "ns.mac.relay_conf.request" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.RelayConfReq" [] "RelayConfReq was queued for the device.";
    "ns.mac.relay_configure_fwd_limit.answer" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.RelayConfigureFwdLimitAns" [] "The device answered RelayConfigureFwdLimitReq.";
    "ns.mac.relay_configure_fwd_limit.request" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.RelayConfigureFwdLimitReq" [] "RelayConfigureFwdLimitReq was queued for the device.";
    "ns.mac.relay_ctrl_uplink_list.answer.accept" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.RelayCtrlUplinkListAns" [] "The device accepted RelayCtrlUplinkListReq.";
    "ns.mac.relay_ctrl_uplink_list.answer.reject" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.RelayCtrlUplinkListAns" [] "The device rejected RelayCtrlUplinkListReq.";
    "ns.mac.relay_ctrl_uplink_list.request" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.RelayCtrlUplinkListReq" [] "RelayCtrlUplinkListReq was queued for the device.";
    "ns.mac.relay_end_device_conf.answer.accept" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.RelayEndDeviceConfAns" [] "The device accepted RelayEndDeviceConfReq.";
    "ns.mac.relay_end_device_conf.answer.reject" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.RelayEndDeviceConfAns" [] "The device rejected RelayEndDeviceConfReq.";
    "ns.mac.relay_end_device_conf.request" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.RelayEndDeviceConfReq" [] "RelayEndDeviceConfReq was queued for the device.";
    "ns.mac.relay_notify_new_end_device.indication" [ApplicationTrafficRead] "" [] "The relay heard a new end device.";
    "ns.mac.relay_update_uplink_list.answer" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.RelayUpdateUplinkListAns" [] "The device answered RelayUpdateUplinkListReq.";
    "ns.mac.relay_update_uplink_list.request" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.RelayUpdateUplinkListReq" [] "RelayUpdateUplinkListReq was queued for the device.";
    "ns.mac.reset.confirmation" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.ResetConf" [] "ResetConf was queued for the device.";
    "ns.mac.reset.indication" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.ResetInd" [] "The device sent ResetInd.";
    "ns.mac.rx_param_setup.answer.accept" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.RxParamSetupAns" [] "The device accepted RxParamSetupReq.";
    "ns.mac.rx_param_setup.answer.reject" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.RxParamSetupAns" [] "The device rejected RxParamSetupReq.";
    "ns.mac.rx_param_setup.request" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.RxParamSetupReq" [] "RxParamSetupReq was queued for the device.";
    "ns.mac.rx_timing_setup.answer" [ApplicationTrafficRead] "" [] "The device answered RxTimingSetupReq.";
    "ns.mac.rx_timing_setup.request" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.RxTimingSetupReq" [] "RxTimingSetupReq was queued for the device.";
    "ns.mac.tx_param_setup.answer" [ApplicationTrafficRead] "" [] "The device answered TxParamSetupReq.";
    "ns.mac.tx_param_setup.request" [ApplicationTrafficRead] "ttn.lorawan.v3.MACCommand.TxParamSetupReq" [] "TxParamSetupReq was queued for the device.";
    "ns.up.data.drop" [ApplicationTrafficRead] "ttn.lorawan.v3.ErrorDetails" [] "A data uplink was dropped by the Network Server.";
    "ns.up.data.forward" [ApplicationTrafficRead] "ttn.lorawan.v3.ApplicationUp" [] "A data uplink was forwarded to the Application Server.";
    "ns.up.data.process" [ApplicationTrafficRead] "ttn.lorawan.v3.UplinkMessage" [] "A data uplink was processed.";
    "ns.up.data.receive" [ApplicationTrafficRead] "ttn.lorawan.v3.UplinkMessage" [] "A data uplink came to the Network Server.";
    "ns.up.join.accept.forward" [ApplicationTrafficRead] "ttn.lorawan.v3.ApplicationUp" [] "A join was reported to the Application Server.";
    "ns.up.join.cluster.attempt" [ApplicationTrafficRead] "ttn.lorawan.v3.JoinRequest" [] "The Join Server of the cluster was asked.";
    "ns.up.join.cluster.fail" [ApplicationTrafficRead] "ttn.lorawan.v3.ErrorDetails" [PARENT] "The Join Server of the cluster refused or did not answer.";
    "ns.up.join.cluster.success" [ApplicationTrafficRead] "ttn.lorawan.v3.JoinResponse" [] "The Join Server of the cluster accepted.";
    "ns.up.join.drop" [ApplicationTrafficRead] "ttn.lorawan.v3.ErrorDetails" [] "A join-request was dropped by the Network Server.";
    "ns.up.join.interop.attempt" [ApplicationTrafficRead] "ttn.lorawan.v3.JoinRequest" [] "A Join Server outside the cluster was asked.";
    "ns.up.join.interop.fail" [ApplicationTrafficRead] "ttn.lorawan.v3.ErrorDetails" [PARENT] "A Join Server outside the cluster refused or did not answer.";
    "ns.up.join.interop.success" [ApplicationTrafficRead] "ttn.lorawan.v3.JoinResponse" [] "A Join Server outside the cluster accepted.";
    "ns.up.join.process" [ApplicationTrafficRead] "ttn.lorawan.v3.UplinkMessage" [PARENT] "A join-request was processed.";
    "ns.up.join.receive" [ApplicationTrafficRead] "ttn.lorawan.v3.UplinkMessage" [] "A join-request came to the Network Server.";
    "ns.up.relay.drop" [ApplicationTrafficRead] "ttn.lorawan.v3.ErrorDetails" [] "An uplink behind a relay was dropped.";
    "ns.up.relay.process" [ApplicationTrafficRead] "ttn.lorawan.v3.UplinkMessage" [] "An uplink behind a relay was processed.";
    "oauth.authorize" [UserAuthorizedClients] "" [CALLER] "A user authorized an OAuth client.";
    "oauth.session.terminated" [UserAuthorizedClients] "" [CALLER] "A session was ended.";
    "oauth.token.deleted" [UserAuthorizedClients] "" [CALLER] "A token was deleted.";
    "oauth.token.exchange" [UserAuthorizedClients] "" [CALLER] "A code or token was exchanged for tokens.";
    "oauth.user.login" [UserAll] "" [CALLER] "A user logged in.";
    "oauth.user.logout" [UserAll] "" [CALLER] "A user logged out.";
    "organization.api-key.create" [OrganizationSettingsApiKeys] "" [CALLER] "An organization got an API key.";
    "organization.api-key.delete" [OrganizationSettingsApiKeys] "" [CALLER] "An organization lost an API key.";
    "organization.api-key.update" [OrganizationSettingsApiKeys] "" [CALLER] "An organization has an API key that was changed.";
    "organization.collaborator.delete" [OrganizationSettingsMembers, UserOrganizationsList] "" [CALLER] "An organization lost a collaborator.";
    "organization.collaborator.update" [OrganizationSettingsMembers, UserOrganizationsList] "" [CALLER] "An organization got a collaborator, or one got other rights.";
    "organization.create" [OrganizationInfo] "" [CALLER] "An organization was registered.";
    "organization.delete" [OrganizationInfo] "" [CALLER] "An organization was deleted.";
    "organization.purge" [OrganizationInfo] "" [CALLER] "An organization was purged, with everything kept about it.";
    "organization.restore" [OrganizationInfo] "" [CALLER] "An organization was restored.";
    "organization.update" [OrganizationInfo] "google.protobuf.Value" [CALLER] "An organization was changed; the data lists the fields.";
    "user.api-key.create" [UserSettingsApiKeys] "" [CALLER] "A user got an API key.";
    "user.api-key.delete" [UserSettingsApiKeys] "" [CALLER] "A user lost an API key.";
    "user.api-key.update" [UserSettingsApiKeys] "" [CALLER] "A user has an API key that was changed.";
    "user.create" [UserInfo] "" [CALLER] "A user was registered.";
    "user.delete" [UserInfo] "" [CALLER] "A user was deleted.";
    "user.notification.create" [UserNotificationsRead] "ttn.lorawan.v3.Notification" [CALLER] "A user got a notification.";
    "user.notification.update_status" [UserNotificationsRead] "ttn.lorawan.v3.UpdateNotificationStatusRequest" [CALLER] "The status of a user's notifications was changed.";
    "user.purge" [UserInfo] "" [CALLER] "A user was purged, with everything kept about it.";
    "user.restore" [UserInfo] "" [CALLER] "A user was restored.";
    "user.update" [UserInfo] "google.protobuf.Value" [CALLER] "A user was changed; the data lists the fields.";
    "user.update.incorrect_password" [UserInfo] "" [CALLER] "A user gave a wrong old password.";
};

/// What a stream says of itself; no component publishes these, and no filter selects them.
pub static STREAM_START: EventDefinition = EventDefinition {
    name: "events.stream.start",
    description: "A stream of events began; the data lists the names of the events in it.",
    visibility: &[],
    data_type: "google.protobuf.Value",
    propagate_to_parent: false,
    names_caller: false,
    place: usize::MAX,
};

/// Not in the reference: the reader was slow, and the oldest events that waited for it were dropped.
pub static STREAM_GAP: EventDefinition = EventDefinition {
    name: "events.stream.gap",
    description: "Events are missing here because the reader was slow; the data counts them.",
    visibility: &[],
    data_type: "google.protobuf.Value",
    propagate_to_parent: false,
    names_caller: false,
    place: usize::MAX,
};

/// Finds an event of the API by its name.
#[must_use]
pub fn find(name: &str) -> Option<&'static EventDefinition> {
    let index = ALL.binary_search_by(|definition| definition.name.cmp(name)).ok()?;
    ALL.get(index)
}

/// The definition of a name that is known to exist: for `const` and `static` items of components.
///
/// # Panics
///
/// There is no such event; in a `const` or `static` item the crate does not compile then.
#[must_use]
#[expect(clippy::panic, reason = "it runs while the crate is compiled")]
pub const fn named(name: &str) -> EventDefinition {
    let mut index = 0;
    while index < ALL.len() {
        if same(ALL[index].name.as_bytes(), name.as_bytes()) {
            return ALL[index];
        }
        index += 1;
    }
    panic!("the API has no event of this name")
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut index = 0;
    while index < a.len() {
        if a[index] != b[index] {
            return false;
        }
        index += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    // EVT-08
    #[test]
    fn every_event_is_found_by_its_name_and_described() {
        assert_eq!(ALL.len(), 248);
        assert!(ALL.is_sorted_by(|a, b| a.name < b.name));
        for definition in ALL {
            let found = find(definition.name).unwrap();
            assert_eq!((found.name, ALL[found.place].name), (definition.name, definition.name));
            assert!(definition.description.ends_with('.'), "{}", definition.name);
        }
        assert!(find("ns.up.data.nothing").is_none());
    }

    // EVT-08
    #[test]
    fn definitions_say_who_sees_what() {
        let forward = named("as.up.data.forward");
        assert_eq!(forward.visibility, [Right::ApplicationTrafficRead]);
        assert_eq!(forward.data_type, "ttn.lorawan.v3.ApplicationUp");
        assert!(forward.propagate_to_parent && !forward.names_caller);
        assert!(named("application.create").names_caller);
        assert!(named("invitation.create").visibility.is_empty());
    }
}
