//! adr.json: the default policy and its steps.

use serde_json::Value;
use ttn_core::radio::{DataRate, DataRateIndex};
use ttn_mac::{
    adr::{
        AdrAlgorithm as _, AdrDecision, AdrInput, AdrParameters, AdrUplink, DataRateSet,
        DefaultAdr, PowerRange, adapt_data_rate, adapt_nb_trans, adapt_tx_power,
        chirpstack::{self, ChirpStackRequest},
        demodulation_floor, loss_rate,
    },
    band::Band,
    state::{AdrDynamic, Rejected},
};

use crate::{
    regions::band_of,
    support::{Case, Fields, Kind, checked},
};

pub(crate) const KINDS: &[Kind] = &[
    checked("chirpstack_adr", chirpstack_adr),
    checked("chirpstack_ideal_step", chirpstack_ideal_step),
    checked("chirpstack_nb_trans", chirpstack_nb_trans),
    checked("chirpstack_packet_loss", chirpstack_packet_loss),
    checked("demodulation_floor", floor),
    checked("demodulation_floor_step", floor_step),
    checked("tts_adr", tts_adr),
    checked("tts_adr_sequence", tts_adr_sequence),
    checked("tts_adr_step", tts_adr_step),
    checked("tts_loss_rate", tts_loss_rate),
];

fn floor(case: &Case) {
    let input = case.input();
    let rate = DataRate::lora(input.int("spreading_factor"), input.int("bandwidth"));
    assert_eq!(demodulation_floor(&rate), Some(decimal(case.expected(), "snr_db")));
}

fn floor_step(case: &Case) {
    let band = band_of(case.input());
    let floor = |name| {
        let index = data_rate(case.input().number(name));
        demodulation_floor(&band.data_rate(index).unwrap().rate).unwrap()
    };
    assert_eq!(floor("from") - floor("to"), decimal(case.expected(), "step_db"));
}

fn tts_loss_rate(case: &Case) {
    let rate = loss_rate(f_cnts(case.input()));
    assert!((rate - decimal(case.expected(), "loss_rate")).abs() < 1e-6, "{rate}");
}

fn tts_adr(case: &Case) {
    let (input, expected) = (case.input(), case.expected());
    let band = band_of(input);
    let current = parameters(input.object("current"));
    let uplinks: Vec<AdrUplink> = input
        .value("uplinks")
        .as_array()
        .unwrap()
        .iter()
        .map(|uplink| AdrUplink {
            f_cnt: u32::try_from(uplink[0].as_u64().unwrap()).unwrap(),
            max_snr: uplink[1].as_f64().unwrap() as f32,
            data_rate: uplink
                .get(2)
                .map_or(current.data_rate, |dr| data_rate(dr.as_i64().unwrap())),
        })
        .collect();
    let decision = DefaultAdr.decide(&AdrInput {
        band,
        current,
        channel_data_rates: channel_data_rates(input),
        rejected: &Rejected {
            adr_data_rates: bits(input.value("rejected_data_rate_indexes")),
            adr_tx_powers: bits(input.value("rejected_tx_power_indexes")),
            ..Rejected::default()
        },
        limits: limits(input),
        last_change_f_cnt: input
            .has("last_adr_change_f_cnt_up")
            .then(|| input.int("last_adr_change_f_cnt_up")),
        uplinks: &uplinks,
    });
    let decided = match decision {
        AdrDecision::Use { parameters, .. } => parameters,
        // “Equal to `desired` means no change.”
        _ => parameters(input.object("desired")),
    };
    assert_eq!(decided, parameters(expected), "{decision:?}");
}

fn tts_adr_sequence(case: &Case) {
    let (input, expected) = (case.input(), case.expected());
    let band = band_of(input);
    let mut current = parameters(input.object("start"));
    let base = decimal(input, "base_snr_db");
    let mut uplinks = Vec::new();
    let mut last_change_f_cnt = None;
    let powers = expected.value("tx_power_index").as_array().unwrap();
    assert_eq!(powers.len(), input.int::<usize>("runs"));
    for (f_cnt, wanted) in (0_u32..).zip(powers) {
        let max_snr = base + f32::from(band.tx_offsets[usize::from(current.tx_power_index)]);
        uplinks.push(AdrUplink { f_cnt, max_snr, data_rate: current.data_rate });
        let decision = DefaultAdr.decide(&AdrInput {
            band,
            current,
            channel_data_rates: channel_data_rates(input),
            rejected: &Rejected::default(),
            limits: limits(input),
            last_change_f_cnt,
            uplinks: &uplinks,
        });
        if let AdrDecision::Use { parameters, .. } = decision
            && parameters != current
        {
            current = parameters;
            last_change_f_cnt = Some(f_cnt + 1);
        }
        assert_eq!(u64::from(current.tx_power_index), wanted.as_u64().unwrap(), "run {f_cnt}");
    }
    assert_eq!(i64::from(current.data_rate.get()), expected.number("data_rate_index"));
    assert_eq!(i64::from(current.nb_trans), expected.number("nb_trans"));
}

fn tts_adr_step(case: &Case) {
    let (input, expected) = (case.input(), case.expected());
    if input.text("step") == "nb_trans" {
        let f_cnts: Vec<u32> = f_cnts(input).collect();
        let (count, loss) = (f_cnts.len(), loss_rate(f_cnts));
        let nb_trans = adapt_nb_trans(input.int("current_nb_trans"), count, loss);
        assert_eq!(nb_trans, expected.int::<u8>("nb_trans"));
        return;
    }
    let band = band_of(input);
    match input.text("step") {
        "tx_power" => {
            let range = PowerRange { min: input.int("min"), max: input.int("max"), rejected: 0 };
            let (index, margin) =
                (input.int("desired_tx_power_index"), decimal(input, "margin_db"));
            let choice = adapt_tx_power(band, index, range, margin, input.flag("optimal"));
            assert_eq!(choice.tx_power_index, expected.int::<u8>("tx_power_index"));
            assert_eq!(choice.margin, decimal(expected, "margin_db"));
        }
        "data_rate" => data_rate_step(band, input, expected),
        "data_rate_range" => {
            let highest = DataRateSet::range(DataRateIndex::ZERO, band.max_adr_data_rate);
            let rejected = DataRateSet::from_bits(bits(input.value("rejected_data_rate_indexes")));
            let allowed = channel_data_rates(input).and(highest).without(rejected);
            let ours: Vec<i64> = allowed.iter().map(|index| index.get().into()).collect();
            let theirs: Vec<i64> = match expected.value("allowed") {
                Value::Array(allowed) => allowed.iter().map(|dr| dr.as_i64().unwrap()).collect(),
                _ => Vec::new(),
            };
            assert_eq!(ours, theirs);
        }
        "tx_power_range" => {
            let index = |name| input.has(name).then(|| input.int(name));
            let rejected = bits(input.value("rejected_tx_power_indexes"));
            let range = PowerRange::new(
                band,
                index("min_tx_power_index"),
                index("max_tx_power_index"),
                rejected,
            );
            let bound = |name| expected.has(name).then(|| expected.int::<u8>(name));
            assert_eq!(
                (range.map(|it| it.min), range.map(|it| it.max)),
                (bound("min"), bound("max"))
            );
        }
        other => panic!("unknown step {other}"),
    }
}

fn data_rate_step(band: &Band, input: Fields<'_>, expected: Fields<'_>) {
    let allowed = DataRateSet::from_bits(bits(input.value("allowed")));
    let current = AdrParameters {
        data_rate: data_rate(input.number("current_data_rate_index")),
        tx_power_index: input.int("current_tx_power_index"),
        nb_trans: 1,
    };
    let min = input.int("min_tx_power_index");
    let powers = PowerRange { min, max: band.max_tx_power_index(), rejected: 0 };
    let choice = adapt_data_rate(band, current, allowed, powers, decimal(input, "margin_db"));
    assert_eq!(choice.data_rate, data_rate(expected.number("data_rate_index")));
    assert_eq!(choice.tx_power_index, expected.int::<u8>("tx_power_index"));
    assert_eq!(choice.margin, decimal(expected, "margin_db"));
}

fn chirpstack_adr(case: &Case) {
    let (input, expected) = (case.input(), case.expected());
    let current = chirpstack_parameters(input);
    // The caller asks no policy if the device does not want one.
    if !input.flag("adr") {
        assert_eq!(chirpstack_parameters(expected), current);
        return;
    }
    let history = input.value("uplink_history").as_array().unwrap();
    let f_cnts = history.iter().map(|uplink| u32::try_from(uplink[0].as_u64().unwrap()).unwrap());
    let at_power = |power: u64| history.iter().filter(move |up| up[2].as_u64() == Some(power));
    let highest = input.number("max_dr").min(input.number("max_lora_125khz_dr"));
    let request = ChirpStackRequest {
        current,
        required_snr: decimal(input, "required_snr_for_dr"),
        margin: decimal(input, "installation_margin"),
        max_data_rate: data_rate(highest),
        max_tx_power_index: input.int("max_tx_power_index"),
        max_snr: history
            .iter()
            .map(|uplink| uplink[1].as_f64().unwrap() as f32)
            // What it takes for the best of none.
            .fold(-999.0, f32::max),
        uplinks: history.len(),
        uplinks_at_power: at_power(current.tx_power_index.into()).count(),
        packet_loss_percent: chirpstack::packet_loss_percent(f_cnts),
    };
    let decided = request.decide().map_or(current, |(parameters, _)| parameters);
    assert_eq!(decided, chirpstack_parameters(expected));
}

fn chirpstack_ideal_step(case: &Case) {
    let (input, expected) = (case.input(), case.expected());
    let start = AdrParameters {
        data_rate: data_rate(input.number("dr")),
        tx_power_index: input.int("tx_power_index"),
        nb_trans: 1,
    };
    let reached = chirpstack::ideal_step(
        input.int("n_step"),
        start,
        input.int("max_tx_power_index"),
        data_rate(input.number("max_dr")),
    );
    assert_eq!(reached.data_rate, data_rate(expected.number("dr")));
    assert_eq!(reached.tx_power_index, expected.int::<u8>("tx_power_index"));
}

fn chirpstack_nb_trans(case: &Case) {
    let (input, expected) = (case.input(), case.expected());
    let percent = decimal(input, "packet_loss_percent");
    let nb_trans = chirpstack::nb_trans(input.int("current_nb_trans"), percent);
    assert_eq!(nb_trans, expected.int::<u8>("nb_trans"));
}

fn chirpstack_packet_loss(case: &Case) {
    let percent = chirpstack::packet_loss_percent(f_cnts(case.input()));
    assert_eq!(percent, decimal(case.expected(), "packet_loss_percent"));
}

fn chirpstack_parameters(of: Fields<'_>) -> AdrParameters {
    AdrParameters {
        data_rate: data_rate(of.number("dr")),
        tx_power_index: of.int("tx_power_index"),
        nb_trans: of.int("nb_trans"),
    }
}

fn limits(input: Fields<'_>) -> AdrDynamic {
    let mut limits =
        AdrDynamic { margin: Some(decimal(input, "margin_db")), ..AdrDynamic::default() };
    if let Value::Object(members) = input.value("dynamic") {
        for (name, value) in members {
            let number = u8::try_from(value.as_u64().unwrap()).unwrap();
            match name.as_str() {
                "max_data_rate_index" => limits.max_data_rate = DataRateIndex::new(number),
                "max_nb_trans" => limits.max_nb_trans = Some(number),
                "max_tx_power_index" => limits.max_tx_power_index = Some(number),
                "min_data_rate_index" => limits.min_data_rate = DataRateIndex::new(number),
                "min_nb_trans" => limits.min_nb_trans = Some(number),
                "min_tx_power_index" => limits.min_tx_power_index = Some(number),
                other => panic!("unknown limit {other}"),
            }
        }
    }
    limits
}

fn channel_data_rates(input: Fields<'_>) -> DataRateSet {
    let channels = input.value("channels").as_array().unwrap();
    channels
        .iter()
        .filter(|channel| channel[2].as_bool().unwrap())
        .map(|channel| {
            let bound = |at: usize| data_rate(channel[at].as_i64().unwrap());
            DataRateSet::range(bound(0), bound(1))
        })
        .fold(DataRateSet::default(), DataRateSet::or)
}

fn parameters(of: Fields<'_>) -> AdrParameters {
    AdrParameters {
        data_rate: data_rate(of.number("data_rate_index")),
        tx_power_index: of.int("tx_power_index"),
        nb_trans: of.int("nb_trans"),
    }
}

fn f_cnts(input: Fields<'_>) -> impl Iterator<Item = u32> {
    let f_cnts = input.value("f_cnts").as_array().unwrap().iter();
    f_cnts.map(|f_cnt| u32::try_from(f_cnt.as_u64().unwrap()).unwrap())
}

fn bits(indexes: &Value) -> u16 {
    let indexes = indexes.as_array().map(Vec::as_slice).unwrap_or_default();
    indexes.iter().fold(0, |bits, index| bits | (1 << index.as_u64().unwrap()))
}

fn data_rate(index: i64) -> DataRateIndex {
    DataRateIndex::new(u8::try_from(index).unwrap()).unwrap()
}

fn decimal(of: Fields<'_>, name: &str) -> f32 {
    of.value(name).as_f64().unwrap() as f32
}
