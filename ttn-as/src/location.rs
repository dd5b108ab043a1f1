//! Places in decoded payloads (AS-17), as a pure function.

use serde_json::{Map, Value};
use ttn_core::msg::{Location, LocationSource};

/// The service that finds places in decoded payloads.
pub(crate) const SERVICE: &str = "frm-payload";

const LATITUDE: [&str; 2] = ["latitude", "lat"];
const LONGITUDE: [&str; 4] = ["longitude", "lon", "lng", "long"];
const ALTITUDE: [&str; 2] = ["altitude", "alt"];
const ACCURACY: [&str; 2] = ["accuracy", "acc"];

/// Finds a place among the members of a payload, or of the objects in it: `latitude` and `longitude` (or `lat` and
/// `lon`, `lng` or `long`) in degrees, and if they are there `altitude` and `accuracy` in metres.
pub(crate) fn of_payload(payload: &Map<String, Value>) -> Option<Location> {
    of_members(payload)
        .or_else(|| payload.values().filter_map(Value::as_object).find_map(of_members))
}

fn of_members(members: &Map<String, Value>) -> Option<Location> {
    let number = |names: &[&str]| {
        let mut found = members
            .iter()
            .filter(|(name, _)| names.iter().any(|wanted| name.eq_ignore_ascii_case(wanted)));
        found.find_map(|(_, value)| value.as_f64()).filter(|number| number.is_finite())
    };
    let (latitude, longitude) = (number(&LATITUDE)?, number(&LONGITUDE)?);
    let in_range = latitude.abs() <= 90.0 && longitude.abs() <= 180.0;
    // Receivers without a fix show 0, 0.
    let has_fix = latitude != 0.0 || longitude != 0.0;
    // Out of range saturates.
    let metres = |names: &[&str]| number(names).unwrap_or_default().round() as i32;
    (in_range && has_fix).then(|| Location {
        latitude,
        longitude,
        altitude: metres(&ALTITUDE),
        accuracy: metres(&ACCURACY),
        source: LocationSource::Gps,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn find(payload: &Value) -> Option<(f64, f64, i32, i32)> {
        let place = of_payload(payload.as_object().unwrap())?;
        Some((place.latitude, place.longitude, place.altitude, place.accuracy))
    }

    // AS-17
    #[test]
    fn places_are_found_by_their_usual_names() {
        let cases = [
            (json!({ "latitude": 52.5, "longitude": 4.5 }), (52.5, 4.5, 0, 0)),
            (json!({ "lat": -1.5, "lng": 4, "alt": 12.4, "acc": 3 }), (-1.5, 4.0, 12, 3)),
            (json!({ "Lat": 1, "Lon": 2 }), (1.0, 2.0, 0, 0)),
            (
                json!({ "t": 1, "gps_2": { "latitude": 1, "longitude": 2, "altitude": -3 } }),
                (1.0, 2.0, -3, 0),
            ),
        ];
        for (payload, expected) in cases {
            assert_eq!(find(&payload), Some(expected), "{payload}");
        }
    }

    #[test]
    fn what_is_no_place_is_left_alone() {
        for payload in [
            json!({}),
            json!({ "latitude": 52.5 }),
            json!({ "latitude": "52.5", "longitude": "4" }),
            json!({ "latitude": 91, "longitude": 4 }),
            json!({ "latitude": 0, "longitude": 0.0 }),
            json!({ "a": { "b": { "latitude": 1, "longitude": 2 } } }),
        ] {
            assert_eq!(find(&payload), None, "{payload}");
        }
    }
}
