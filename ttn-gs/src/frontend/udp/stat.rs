//! `stat`: how a gateway is (GS-25).
#![cfg_attr(not(test), warn(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

use std::{borrow::Cow, collections::BTreeMap};

use jiff::{civil::DateTime, tz::Offset};
use serde::Deserialize;
use ttn_core::{
    msg::{Location, LocationSource},
    time::Timestamp,
};

use super::reject::Reject;
use crate::frontend::GatewayStatus;

/// Decodes a status.
///
/// # Errors
///
/// It is not of the wanted form, or a time in it is not readable.
pub fn decode(json: &str) -> Result<GatewayStatus, Reject> {
    let stat: Stat<'_> = serde_json::from_str(json).map_err(|error| Reject::of_json(&error))?;
    Ok(GatewayStatus {
        time: parse_time(stat.time.as_deref())?,
        boot_time: parse_time(stat.boot.as_deref())?,
        antenna_location: location(&stat),
        versions: versions(&stat),
        metrics: metrics(&stat),
    })
}

/// `2006-01-02 15:04:05 MST`. Forwarders write UTC whatever the name of the zone.
fn parse_time(text: Option<&str>) -> Result<Option<Timestamp>, Reject> {
    let Some(text) = text else { return Ok(None) };
    let mut words = text.split(' ');
    let (Some(date), Some(time), Some(zone), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Reject::StatTime);
    };
    let zone_is_name =
        (3..=5).contains(&zone.len()) && zone.bytes().all(|c| c.is_ascii_uppercase());
    if !zone_is_name || date.len() != 10 || time.len() != 8 {
        return Err(Reject::StatTime);
    }
    let civil: DateTime = format!("{date}T{time}").parse().map_err(|_| Reject::StatTime)?;
    let utc = Offset::UTC.to_timestamp(civil).map_err(|_| Reject::StatTime)?;
    let nanos = i64::try_from(utc.as_nanosecond()).map_err(|_| Reject::StatTime)?;
    Ok(Some(Timestamp::from_unix_nanos(nanos)))
}

/// The places near (0, 0) and (10, 20) are the defaults of forwarders that do not know where they are.
fn location(stat: &Stat<'_>) -> Option<Location> {
    let (latitude, longitude) = (stat.lati?, stat.long?);
    let near = |lat: f64, long: f64| {
        (latitude - lat).abs() <= DEFAULT_PLACE_DEGREES
            && (longitude - long).abs() <= DEFAULT_PLACE_DEGREES
    };
    let on_earth = (-90.0..=90.0).contains(&latitude) && (-180.0..=180.0).contains(&longitude);
    (on_earth && !near(0.0, 0.0) && !near(10.0, 20.0)).then(|| Location {
        latitude,
        longitude,
        altitude: stat.alti.unwrap_or_default() as i32,
        accuracy: 0,
        source: LocationSource::Gps,
    })
}

fn versions(stat: &Stat<'_>) -> BTreeMap<String, String> {
    let mut versions = BTreeMap::new();
    let mut put = |name: &str, version: Option<String>| {
        if let Some(version) = version {
            versions.insert(name.to_owned(), version);
        }
    };
    put("fpga", stat.fpga.map(|version| version.to_string()));
    put("dsp", stat.dsp.map(|version| version.to_string()));
    put("hal", stat.hal.as_ref().map(|version| version.chars().take(VERSION_LENGTH_MAX).collect()));
    if let Some(hver) = &stat.hver {
        put("fpga", hver.fpga.map(|version| version.to_string()));
        put("dsp0", hver.dsp0.map(|version| version.to_string()));
        put("dsp1", hver.dsp1.map(|version| version.to_string()));
    }
    versions
}

fn metrics(stat: &Stat<'_>) -> BTreeMap<String, f32> {
    // The first six are there in any case.
    let always = [
        ("rxin", stat.rxnb),
        ("rxok", stat.rxok),
        ("rxfw", stat.rxfw),
        ("ackr", stat.ackr),
        ("txin", stat.dwnb),
        ("txok", stat.txnb),
    ];
    let sometimes = [
        ("lmok", stat.lmok),
        ("lmst", stat.lmst),
        ("lmnw", stat.lmnw),
        ("lpps", stat.lpps),
        ("temp", stat.temp),
    ];
    let always = always.into_iter().map(|(name, value)| (name, value.unwrap_or_default()));
    let sometimes = sometimes.into_iter().filter_map(|(name, value)| Some((name, value?)));
    always.chain(sometimes).map(|(name, value)| (name.to_owned(), value as f32)).collect()
}

#[derive(Deserialize)]
struct Stat<'a> {
    #[serde(borrow)]
    time: Option<Cow<'a, str>>,
    #[serde(borrow)]
    boot: Option<Cow<'a, str>>,
    lati: Option<f64>,
    long: Option<f64>,
    alti: Option<f64>,
    rxnb: Option<f64>,
    rxok: Option<f64>,
    rxfw: Option<f64>,
    ackr: Option<f64>,
    dwnb: Option<f64>,
    txnb: Option<f64>,
    lmok: Option<f64>,
    lmst: Option<f64>,
    lmnw: Option<f64>,
    lpps: Option<f64>,
    temp: Option<f64>,
    fpga: Option<u32>,
    dsp: Option<u32>,
    #[serde(borrow)]
    hal: Option<Cow<'a, str>>,
    hver: Option<Hver>,
}

#[derive(Deserialize)]
struct Hver {
    fpga: Option<u32>,
    dsp0: Option<u32>,
    dsp1: Option<u32>,
}

/// How near to a forwarder's default place a location is taken for it.
const DEFAULT_PLACE_DEGREES: f64 = 0.001;
const VERSION_LENGTH_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_times_of_another_form() {
        for text in ["2017-06-08T10:00:10Z", "2017-06-08 10:00:10", "2017-13-08 10:00:10 GMT", ""] {
            assert_eq!(parse_time(Some(text)), Err(Reject::StatTime), "{text}");
        }
    }
}
