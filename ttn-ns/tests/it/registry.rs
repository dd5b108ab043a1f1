//! The device registry.

use ttn_core::{store::Replaces, version::MacVersion};
use ttn_mac::plan::Plans;
use ttn_ns::{error::Error, registry::validate, shard::Command};

use crate::harness::{World, abp, key, otaa};

#[test]
fn of_two_writers_one_gets_a_conflict() {
    let mut world = World::with(&otaa(MacVersion::V1_0_3));
    let (one, mut other) = (world.view(), world.view());
    world.put(one.device, Replaces::Revision(one.revision)).unwrap();
    other.device.supports_class_c = true;
    let replaces = Replaces::Revision(other.revision);
    let error = world.put(other.device.clone(), replaces).unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    let again = world.view();
    assert!(!again.device.supports_class_c);
    assert!(world.put(other.device, Replaces::Revision(again.revision)).is_ok());
}

#[test]
fn euis_and_ids_belong_to_one_device() {
    let mut world = World::with(&otaa(MacVersion::V1_0_3));
    let error = world.put(otaa(MacVersion::V1_0_3), Replaces::Nothing).unwrap_err();
    assert!(matches!(error, Error::DeviceExists { .. }), "{error}");
    let mut twin = otaa(MacVersion::V1_0_3);
    twin.ids.key.device_id = "twin".parse().unwrap();
    let error = world.put(twin, Replaces::Nothing).unwrap_err();
    assert!(matches!(error, Error::DeviceExists { .. }), "{error}");
}

#[test]
fn a_deleted_device_is_gone_from_memory_and_store() {
    let mut world = World::with(&abp());
    world.call(Command::Delete { key: key(), replaces: Replaces::Any }).unwrap().unwrap();
    assert!(world.shard.is_empty());
    world.restart();
    assert!(world.shard.is_empty());
    let error = world.call(Command::Get { key: key() }).unwrap().unwrap_err();
    assert!(matches!(error, Error::DeviceNotFound { .. }), "{error}");
}

// NS-97, NS-31
#[test]
fn registrations_that_cannot_work_are_refused_by_field() {
    let field = |change: &dyn Fn(&mut ttn_ns::device::Device)| {
        let mut device = abp();
        change(&mut device);
        match validate(&device, &Plans::default()) {
            Err(Error::FieldMissing { field, .. } | Error::FieldValue { field, .. }) => field,
            Ok(()) => "",
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(field(&|_| {}), "");
    assert_eq!(field(&|d| d.frequency_plan_id = "NOWHERE".parse().unwrap()), "frequency_plan_id");
    assert_eq!(field(&|d| d.state = None), "session");
    assert_eq!(
        field(&|d| {
            d.mac_version = MacVersion::V1_0_4;
            d.ids.dev_eui = None;
        }),
        "ids.dev_eui"
    );
    assert_eq!(field(&|d| d.multicast = true), "multicast");
    assert_eq!(field(&|d| d.settings.rx1_delay = Some(16)), "rx1_delay");
    let frequency = ttn_core::radio::Frequency::from_hz(868_100_050);
    assert_eq!(field(&|d| d.settings.rx2_frequency = Some(frequency)), "rx2_frequency");
    assert_eq!(
        field(&|d| {
            let state = d.state.as_mut().unwrap();
            let keys = &mut state.session.as_mut().unwrap().keys;
            keys.nwk_s_enc_key = ttn_core::key::Aes128Key::new([9; 16]);
        }),
        "session.keys"
    );
}

// NS-28
#[test]
fn records_keep_everything_and_show_no_keys() {
    use ttn_ns::store::{DeviceRecord, HotRecord, QueueItem, Sealer};
    let mut world = World::with(&abp());
    world.push(vec![crate::harness::downlink(0, true)]).unwrap();
    let view = world.view();
    let record = DeviceRecord::seal(&view.device, &Sealer::clear()).unwrap();
    let decoded = DeviceRecord::decode(&record.encode()).unwrap();
    assert_eq!(decoded.open(&Sealer::clear()).unwrap(), view.device);
    assert!(!format!("{record:?}").contains("77"), "no octet 0x4D of the key");
    let hot = HotRecord { hot: view.hot, first_copy: None };
    assert!(hot.encode().len() <= 128);
    assert_eq!(HotRecord::decode(&hot.encode()).unwrap(), hot);
    let item = QueueItem { downlink: view.queue[0].clone() };
    assert_eq!(QueueItem::decode(&item.encode()).unwrap(), item);
    assert!(DeviceRecord::decode(&[0xFF]).is_err() && HotRecord::decode(&[9]).is_err());
}
