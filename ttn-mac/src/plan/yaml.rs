//! The public format of frequency plans: an index and a file for each plan, both YAML (feature `std`; NS-107).

use alloc::{borrow::ToOwned, collections::BTreeMap, format, string::String, vec::Vec};
use core::time::Duration;

use serde::Deserialize;
use ttn_core::radio::{DataRateIndex, Frequency};

use super::{
    FrequencyPlan, ListenBeforeTalk, PlanChannel, PlanDwellTime, PlanError, PlanProblem,
    PlanSubBand, Radio, RadioTx, SingleRateChannel,
};
use crate::band::{BandChannel, BandId};

/// The most plans of an index; there are less than a hundred public ones.
pub const PLANS_MAX: usize = 1024;
/// How many plans may extend one another in a row.
const BASES_MAX: usize = 8;

/// Reads an index and the files that it names. `file` gives the text of a file; `None` if there is none.
///
/// A plan with `base-id` is its base with what its own file sets: lists and sections are replaced as a whole, radios bring
/// their `clock-source`. Members that are not known are passed over.
///
/// # Errors
///
/// The first plan and field that cannot be used.
pub fn load<'t>(
    index: &str,
    file: impl Fn(&str) -> Option<&'t str>,
) -> Result<Vec<FrequencyPlan>, PlanError> {
    let entries = entries(index)?;
    let mut by_id = BTreeMap::new();
    for entry in &entries {
        if by_id.insert(entry.id.as_str(), entry).is_some() {
            return Err(PlanError::new(&entry.id, "id", PlanProblem::Duplicate));
        }
    }
    let loader = Loader { by_id, file };
    entries.iter().map(|entry| loader.plan(entry)).collect()
}

/// The files that an index names, each once, in order: what has to be fetched for [`load`].
///
/// # Errors
///
/// The index cannot be read, or names too many plans.
pub fn files(index: &str) -> Result<Vec<String>, PlanError> {
    let mut files: Vec<String> = Vec::new();
    for entry in entries(index)? {
        if !files.contains(&entry.file) {
            files.push(entry.file);
        }
    }
    Ok(files)
}

fn entries(index: &str) -> Result<Vec<Entry>, PlanError> {
    let entries: Vec<Entry> =
        serde_saphyr::from_str(index).map_err(|error| syntax("(index)", "", &error))?;
    if entries.len() > PLANS_MAX {
        let problem = PlanProblem::TooMany { max: PLANS_MAX };
        return Err(PlanError::new("(index)", "", problem));
    }
    Ok(entries)
}

struct Loader<'e, F> {
    by_id: BTreeMap<&'e str, &'e Entry>,
    file: F,
}

impl<'t, F: Fn(&str) -> Option<&'t str>> Loader<'_, F> {
    fn plan(&self, entry: &Entry) -> Result<FrequencyPlan, PlanError> {
        let (file, base_frequency) = self.resolved(entry, BASES_MAX)?;
        let plan = file.plan(entry, base_frequency)?;
        plan.validate()?;
        Ok(plan)
    }

    /// The file of an entry on top of that of its base.
    fn resolved(&self, entry: &Entry, depth: usize) -> Result<(File, Option<u16>), PlanError> {
        let error = |field: &str, problem| PlanError::new(&entry.id, field, problem);
        let text = (self.file)(&entry.file).ok_or_else(|| error("file", PlanProblem::Missing))?;
        let own: File =
            serde_saphyr::from_str(text).map_err(|error| syntax(&entry.id, "file", &error))?;
        let Some(base_id) = &entry.base_id else { return Ok((own, entry.base_frequency)) };
        let no_base = || error("base-id", PlanProblem::Base { id: base_id.clone() });
        let base = *self.by_id.get(base_id.as_str()).ok_or_else(no_base)?;
        let depth = depth.checked_sub(1).ok_or_else(no_base)?;
        let (base, base_frequency) = self.resolved(base, depth)?;
        Ok((own.on(base), entry.base_frequency.or(base_frequency)))
    }
}

fn syntax(plan: &str, field: &str, error: &serde_saphyr::Error) -> PlanError {
    PlanError::new(plan, field, PlanProblem::Syntax { message: format!("{error}") })
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Entry {
    id: String,
    #[serde(default)]
    name: String,
    base_id: Option<String>,
    base_frequency: Option<u16>,
    gateways: Option<bool>,
    file: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct File {
    band_id: Option<String>,
    uplink_channels: Vec<Channel>,
    downlink_channels: Vec<Channel>,
    lora_standard_channel: Option<SingleRate>,
    fsk_channel: Option<SingleRate>,
    sub_bands: Vec<SubBand>,
    dwell_time: Option<DwellTime>,
    listen_before_talk: Option<Listen>,
    radios: Vec<FileRadio>,
    clock_source: u8,
    rx2_channel: Option<Channel>,
    rx2_default_data_rate: Option<u8>,
    max_eirp: Option<f32>,
}

impl File {
    /// What this file sets, on top of a base.
    fn on(self, base: Self) -> Self {
        let (radios, clock_source) = if self.radios.is_empty() {
            (base.radios, base.clock_source)
        } else {
            (self.radios, self.clock_source)
        };
        Self {
            band_id: self.band_id.or(base.band_id),
            uplink_channels: or_base(self.uplink_channels, base.uplink_channels),
            downlink_channels: or_base(self.downlink_channels, base.downlink_channels),
            lora_standard_channel: self.lora_standard_channel.or(base.lora_standard_channel),
            fsk_channel: self.fsk_channel.or(base.fsk_channel),
            sub_bands: or_base(self.sub_bands, base.sub_bands),
            dwell_time: self.dwell_time.or(base.dwell_time),
            listen_before_talk: self.listen_before_talk.or(base.listen_before_talk),
            radios,
            clock_source,
            rx2_channel: self.rx2_channel.or(base.rx2_channel),
            rx2_default_data_rate: self.rx2_default_data_rate.or(base.rx2_default_data_rate),
            max_eirp: self.max_eirp.or(base.max_eirp),
        }
    }

    fn plan(self, entry: &Entry, base_frequency: Option<u16>) -> Result<FrequencyPlan, PlanError> {
        let id = entry.id.as_str();
        let missing = |field: &str| PlanError::new(id, field, PlanProblem::Missing);
        let band_id = self.band_id.as_deref().ok_or_else(|| missing("band-id"))?;
        let uplinks = self.uplink_channels.iter().enumerate();
        let downlinks = self.downlink_channels.iter().enumerate();
        let single = |field: &str, channel: Option<SingleRate>| {
            channel.map(|channel| channel.channel(id, field)).transpose()
        };
        Ok(FrequencyPlan {
            id: id.to_owned().into(),
            name: entry.name.clone().into(),
            base_id: entry.base_id.clone().map(Into::into),
            base_frequency: base_frequency.ok_or_else(|| missing("base-frequency"))?,
            gateways: entry.gateways.unwrap_or(false),
            band_id: band_id.parse::<BandId>().map_err(|error| {
                let problem = PlanProblem::Syntax { message: format!("{band_id:?}: {error}") };
                PlanError::new(id, "band-id", problem)
            })?,
            uplink_channels: uplinks
                .map(|(index, channel)| channel.uplink(id, index))
                .collect::<Result<Vec<_>, _>>()?
                .into(),
            downlink_channels: downlinks
                .map(|(index, channel)| channel.downlink(id, index))
                .collect::<Result<Vec<_>, _>>()?
                .into(),
            lora_standard_channel: single("lora-standard-channel", self.lora_standard_channel)?,
            fsk_channel: single("fsk-channel", self.fsk_channel)?,
            sub_bands: self.sub_bands.iter().map(SubBand::sub_band).collect::<Vec<_>>().into(),
            dwell_time: self.dwell_time.map(|limit| limit.limit(id)).transpose()?,
            listen_before_talk: self.listen_before_talk.map(|l| l.parameters(id)).transpose()?,
            radios: self.radios.into_iter().map(FileRadio::radio).collect::<Vec<_>>().into(),
            clock_source: self.clock_source,
            rx2_frequency: self.rx2_channel.map(|channel| hz(channel.frequency)),
            rx2_default_data_rate: self
                .rx2_default_data_rate
                .map(|index| data_rate(id, "rx2-default-data-rate", index))
                .transpose()?,
            max_eirp: self.max_eirp,
        })
    }
}

fn or_base<T>(own: Vec<T>, base: Vec<T>) -> Vec<T> {
    if own.is_empty() { base } else { own }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Channel {
    frequency: u64,
    #[serde(default)]
    min_data_rate: u8,
    #[serde(default)]
    max_data_rate: u8,
    #[serde(default)]
    radio: u8,
}

impl Channel {
    fn uplink(&self, plan: &str, index: usize) -> Result<PlanChannel, PlanError> {
        let rates = self.data_rates(plan, "uplink-channels", index)?;
        let (min_data_rate, max_data_rate) = rates;
        let frequency = hz(self.frequency);
        Ok(PlanChannel { frequency, min_data_rate, max_data_rate, radio: self.radio })
    }

    fn downlink(&self, plan: &str, index: usize) -> Result<BandChannel, PlanError> {
        let rates = self.data_rates(plan, "downlink-channels", index)?;
        let (min_data_rate, max_data_rate) = rates;
        Ok(BandChannel { frequency: hz(self.frequency), min_data_rate, max_data_rate })
    }

    fn data_rates(
        &self,
        plan: &str,
        list: &str,
        index: usize,
    ) -> Result<(DataRateIndex, DataRateIndex), PlanError> {
        let rate = |field: &str, value| data_rate(plan, &format!("{list}[{index}].{field}"), value);
        Ok((rate("min-data-rate", self.min_data_rate)?, rate("max-data-rate", self.max_data_rate)?))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct SingleRate {
    frequency: u64,
    data_rate: u8,
    #[serde(default)]
    radio: u8,
}

impl SingleRate {
    fn channel(self, plan: &str, field: &str) -> Result<SingleRateChannel, PlanError> {
        let data_rate = data_rate(plan, &format!("{field}.data-rate"), self.data_rate)?;
        Ok(SingleRateChannel { frequency: hz(self.frequency), data_rate, radio: self.radio })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct SubBand {
    min_frequency: u64,
    max_frequency: u64,
    duty_cycle: Option<f32>,
    max_eirp: Option<f32>,
}

impl SubBand {
    const fn sub_band(&self) -> PlanSubBand {
        PlanSubBand {
            min_frequency: hz(self.min_frequency),
            max_frequency: hz(self.max_frequency),
            duty_cycle: self.duty_cycle,
            max_eirp: self.max_eirp,
        }
    }
}

#[derive(Deserialize)]
struct DwellTime {
    uplinks: Option<bool>,
    downlinks: Option<bool>,
    duration: Option<Time>,
}

impl DwellTime {
    fn limit(self, plan: &str) -> Result<PlanDwellTime, PlanError> {
        let duration =
            self.duration.map(|time| time.duration(plan, "dwell-time.duration")).transpose()?;
        Ok(PlanDwellTime { uplinks: self.uplinks, downlinks: self.downlinks, duration })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Listen {
    #[serde(default)]
    rssi_target: f32,
    #[serde(default)]
    rssi_offset: f32,
    scan_time: Time,
}

impl Listen {
    fn parameters(self, plan: &str) -> Result<ListenBeforeTalk, PlanError> {
        let (rssi_target, rssi_offset) = (self.rssi_target, self.rssi_offset);
        let scan_time = self.scan_time.duration(plan, "listen-before-talk.scan-time")?;
        Ok(ListenBeforeTalk { rssi_target, rssi_offset, scan_time })
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct FileRadio {
    #[serde(default)]
    enable: bool,
    #[serde(default)]
    chip_type: String,
    frequency: u64,
    #[serde(default)]
    rssi_offset: f32,
    tx: Option<Tx>,
}

impl FileRadio {
    fn radio(self) -> Radio {
        Radio {
            enable: self.enable,
            chip_type: self.chip_type.into(),
            frequency: hz(self.frequency),
            rssi_offset: self.rssi_offset,
            tx: self.tx.map(|tx| RadioTx {
                min_frequency: hz(tx.min_frequency),
                max_frequency: hz(tx.max_frequency),
                notch_frequency: tx.notch_frequency.map(hz),
            }),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Tx {
    min_frequency: u64,
    max_frequency: u64,
    notch_frequency: Option<u64>,
}

/// A duration as `400ms`, or in nanoseconds.
#[derive(Deserialize)]
#[serde(untagged)]
enum Time {
    Nanos(u64),
    Text(String),
}

impl Time {
    fn duration(self, plan: &str, field: &str) -> Result<Duration, PlanError> {
        match self {
            Self::Nanos(nanos) => Ok(Duration::from_nanos(nanos)),
            Self::Text(text) => duration(&text).ok_or_else(|| {
                let message = format!("{text:?} is no duration: use 400ms");
                PlanError::new(plan, field, PlanProblem::Syntax { message })
            }),
        }
    }
}

/// A whole number and one unit.
fn duration(text: &str) -> Option<Duration> {
    let at = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(at)?;
    let number: u64 = number.parse().ok()?;
    Some(match unit {
        "ns" => Duration::from_nanos(number),
        "us" | "µs" => Duration::from_micros(number),
        "ms" => Duration::from_millis(number),
        "s" => Duration::from_secs(number),
        _ => return None,
    })
}

const fn hz(value: u64) -> Frequency {
    Frequency::from_hz(value)
}

fn data_rate(plan: &str, field: &str, index: u8) -> Result<DataRateIndex, PlanError> {
    let out_of_range = || PlanError::new(plan, field, PlanProblem::OutOfRange);
    DataRateIndex::new(index).ok_or_else(out_of_range)
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString as _;

    use super::*;

    const INDEX: &str = "
- {id: BASE, band-id: EU_863_870, name: Base, base-frequency: 868, gateways: true, file: base.yml}
- {id: MORE, band-id: EU_863_870, name: More, base-id: BASE, file: more.yml}
";
    const BASE: &str = "
band-id: EU_863_870
uplink-channels: [{frequency: 868100000, min-data-rate: 0, max-data-rate: 5, radio: 0}]
radios: [{enable: true, chip-type: SX1257, frequency: 868500000, rssi-offset: -166}]
clock-source: 0
dwell-time: {uplinks: true, duration: 400ms}
";

    fn with(base: &'static str, more: &'static str) -> Result<Vec<FrequencyPlan>, PlanError> {
        load(INDEX, |name| match name {
            "base.yml" => Some(base),
            "more.yml" => Some(more),
            _ => None,
        })
    }

    // NS-107
    #[test]
    fn a_plan_extends_its_base() {
        let plans = with(BASE, "rx2-default-data-rate: 3\ndwell-time: {uplinks: false}").unwrap();
        let [base, more] = &*plans else { panic!("{plans:?}") };
        assert_eq!(more.uplink_channels, base.uplink_channels);
        assert_eq!(more.base_frequency, 868);
        assert_eq!(more.rx2_default_data_rate.map(|dr| dr.get()), Some(3));
        let own = PlanDwellTime { uplinks: Some(false), downlinks: None, duration: None };
        assert_eq!(more.dwell_time, Some(own), "a section is replaced as a whole");
        assert!(base.gateways && !more.gateways);
    }

    #[test]
    fn errors_name_plan_and_field() {
        let told = |more| with(BASE, more).unwrap_err().to_string();
        let channel = "uplink-channels: [{frequency: 868100000, max-data-rate: 5, radio: 7}]";
        assert_eq!(
            told(channel),
            "frequency plan MORE, uplink-channels[0].radio: there is no radio 7"
        );
        assert_eq!(
            told("rx2-default-data-rate: 15"),
            "frequency plan MORE, rx2-default-data-rate: DR15 is not defined here by the band"
        );
        assert!(told("dwell-time: {uplinks: true}").contains("dwell-time.duration: must be set"));
        assert!(told("dwell-time: {duration: soon}").contains("no duration"));
        assert!(told("uplink-channels: 3").starts_with("frequency plan MORE, file:"));
        assert!(load("nonsense", |_| None).is_err());
    }

    #[test]
    fn a_circle_of_bases_ends() {
        let index = "
- {id: A, base-id: B, base-frequency: 868, file: a}
- {id: B, base-id: A, base-frequency: 868, file: a}
";
        let error = load(index, |_| Some("{}")).unwrap_err();
        assert!(matches!(error.problem, PlanProblem::Base { .. }), "{error}");
    }
}
