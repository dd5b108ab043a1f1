//! time_on_air.json: how long a frame takes.

use core::time::Duration;

use ttn_core::radio::{CodingRate, DataRate, Frequency, time_on_air_with};

use crate::support::{Case, Fields, Kind, checked};

pub(crate) const KINDS: &[Kind] = &[
    checked("error", error),
    checked("fsk", fsk),
    checked("lora", lora),
    checked("lora_2g4", lora),
    checked("lr_fhss", lr_fhss),
];

fn lora(case: &Case) {
    let input = case.input();
    check(case, &lora_rate(input).unwrap(), Frequency::from_hz(input.int("frequency")));
}

fn fsk(case: &Case) {
    let input = case.input();
    let rate = DataRate::Fsk { bit_rate: input.int("bit_rate") };
    check(case, &rate, Frequency::from_hz(input.int("frequency")));
}

fn lr_fhss(case: &Case) {
    let input = case.input();
    let rate = DataRate::LrFhss {
        modulation_type: 0,
        operating_channel_width: input.int("operating_channel_width"),
        coding_rate: input.text("coding_rate").parse().unwrap(),
    };
    check(case, &rate, Frequency::from_hz(868_100_000));
}

fn error(case: &Case) {
    let input = case.input();
    // A coding rate that does not exist is refused before there is a data rate.
    let Some(rate) = lora_rate(input) else { return };
    let frequency = Frequency::from_hz(input.int("frequency"));
    assert!(time_on_air_with(input.int("payload_size"), frequency, &rate, true).is_err());
}

fn lora_rate(input: Fields<'_>) -> Option<DataRate> {
    Some(DataRate::Lora {
        spreading_factor: input.int("spreading_factor"),
        bandwidth: input.int("bandwidth"),
        coding_rate: input.text("coding_rate").parse::<CodingRate>().ok()?,
    })
}

fn check(case: &Case, rate: &DataRate, frequency: Frequency) {
    let size = case.input().int("payload_size");
    let crc = case.input().flag_or_false("enable_crc");
    let expected = Duration::from_nanos(case.expected().int("ns"));
    assert_eq!(time_on_air_with(size, frequency, rate, crc), Ok(expected));
}
