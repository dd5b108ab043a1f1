//! The policies on a link that fades, against a device that follows commands and helps itself when it hears nothing.

use ttn_core::radio::{DataRateIndex, Frequency, time_on_air};
use ttn_mac::{
    adr::{
        AdrAlgorithm, AdrDecision, AdrInput, AdrParameters, AdrUplink, ChirpStackAdr, DataRateSet,
        DefaultAdr, SteadyAdr, demodulation_floor,
    },
    band::{self, Band, BandId},
    state::{AdrDynamic, Rejected},
    version::PhyVersion,
};

const SEEDS: [u64; 8] = [1, 2, 3, 5, 8, 13, 21, 34];
const FRAMES: u32 = 3_000;

/// What a run counts.
#[derive(Clone, Copy, Debug, Default)]
struct Score {
    lost: u32,
    changes: u32,
    /// Milliseconds.
    airtime: u64,
}

/// SplitMix64, and a normal distribution from twelve of its numbers.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((mixed ^ (mixed >> 31)) >> 40) as f32 / (1_u32 << 24) as f32
    }

    fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.next()).sum::<f32>() - 6.0
    }
}

/// The SNR at full power: slow waves, shadowing with a memory, and fast fading that is new for every transmission.
struct Link {
    base: f32,
    wave: f32,
    shadow: f32,
    noise: Noise,
}

impl Link {
    fn step(&mut self, frame: u32) -> f32 {
        self.shadow = 0.98 * self.shadow + 0.8 * self.noise.normal();
        self.base + self.wave * (frame as f32 / 120.0).sin() + self.shadow
    }

    fn fast(&mut self) -> f32 {
        3.0 * self.noise.normal()
    }
}

struct Device {
    uses: AdrParameters,
    unanswered: u32,
    answers: Option<AdrParameters>,
}

impl Device {
    /// ADR_ACK_LIMIT and ADR_ACK_DELAY: first the power, then one data rate after the other.
    fn back_off(&mut self) -> bool {
        self.unanswered += 1;
        if self.unanswered >= 64 + 32 && (self.unanswered - 64).is_multiple_of(32) {
            if self.uses.tx_power_index > 0 {
                self.uses.tx_power_index = 0;
            } else if let Some(lower) = self.uses.data_rate.get().checked_sub(1) {
                self.uses.data_rate = dr(lower);
            } else {
                self.uses.nb_trans = 1;
            }
        }
        self.unanswered >= 64
    }
}

fn dr(index: u8) -> DataRateIndex {
    DataRateIndex::new(index).unwrap()
}

fn floor(band: &Band, index: DataRateIndex) -> f32 {
    demodulation_floor(&band.data_rate(index).unwrap().rate).unwrap()
}

/// What the network knows: as the engine keeps it.
struct Network<'a> {
    band: &'a Band,
    policy: &'a dyn AdrAlgorithm,
    current: AdrParameters,
    last_change_f_cnt: Option<u32>,
    history: Vec<AdrUplink>,
}

impl Network<'_> {
    fn on_uplink(&mut self, uplink: AdrUplink, answer: Option<AdrParameters>) -> AdrParameters {
        if let Some(applied) = answer {
            self.current = applied;
            self.last_change_f_cnt = Some(uplink.f_cnt);
        }
        // NS-75
        if uplink.data_rate < self.current.data_rate {
            self.current.tx_power_index = 0;
        }
        self.current.data_rate = uplink.data_rate;
        if self.history.len() >= 20 {
            self.history.remove(0);
        }
        self.history.push(uplink);
        let decision = self.policy.decide(&AdrInput {
            band: self.band,
            current: self.current,
            channel_data_rates: DataRateSet::range(dr(0), dr(5)),
            rejected: &Rejected::default(),
            limits: AdrDynamic::default(),
            last_change_f_cnt: self.last_change_f_cnt,
            uplinks: &self.history,
        });
        match decision {
            AdrDecision::Use { parameters, .. } => parameters,
            _ => self.current,
        }
    }
}

fn run(policy: &dyn AdrAlgorithm, seed: u64, base: f32, wave: f32) -> Score {
    let band = band::get(BandId::EU_863_870, PhyVersion::RP001_V1_0_3_REV_A).unwrap();
    let start = AdrParameters { data_rate: dr(0), tx_power_index: 0, nb_trans: 1 };
    let mut link = Link { base, wave, shadow: 0.0, noise: Noise(seed) };
    let mut device = Device { uses: start, unanswered: 0, answers: None };
    let mut network =
        Network { band, policy, current: start, last_change_f_cnt: None, history: Vec::new() };
    let mut score = Score::default();
    for f_cnt in 0..FRAMES {
        let mean = link.step(f_cnt);
        // The same number of draws whatever the policy does, so that all policies meet the same link.
        let (fast, down) = ([link.fast(), link.fast(), link.fast()], link.fast());
        let asks = device.back_off();
        let uses = device.uses;
        let answer = device.answers.take();
        let rate = band.data_rate(uses.data_rate).unwrap().rate;
        let once = time_on_air(23, Frequency::from_hz(868_100_000), &rate).unwrap();
        score.airtime += once.as_millis() as u64 * u64::from(uses.nb_trans);
        let power = f32::from(band.tx_offsets[usize::from(uses.tx_power_index)]);
        let copies = fast.iter().take(uses.nb_trans.into()).map(|fast| mean + power + fast);
        let needed = floor(band, uses.data_rate);
        let Some(max_snr) = copies.filter(|snr| *snr >= needed).reduce(f32::max) else {
            score.lost += 1;
            continue;
        };
        let uplink = AdrUplink { f_cnt, max_snr, data_rate: uses.data_rate };
        let wanted = network.on_uplink(uplink, answer);
        let commands = wanted != network.current;
        // The gateway is 6 dB louder than the device.
        if (commands || asks) && mean + 6.0 + down >= needed {
            device.unanswered = 0;
            if commands {
                score.changes += u32::from(wanted != device.uses);
                device.uses = wanted;
                device.answers = Some(wanted);
            }
        }
    }
    score
}

fn compare(base: f32, wave: f32) -> Vec<(Score, Score)> {
    let both = |seed| (run(&DefaultAdr, seed, base, wave), run(&SteadyAdr, seed, base, wave));
    let scores: Vec<_> = SEEDS.into_iter().map(both).collect();
    println!("{base} dB ± {wave} dB, default and ours: {scores:#?}");
    scores
}

// NS-71, NS-72
#[test]
fn on_a_link_that_fades_ours_loses_fewer_frames_with_fewer_changes() {
    for (default, ours) in compare(0.0, 10.0) {
        assert!(ours.lost * 5 < default.lost);
        assert!(ours.changes * 2 < default.changes);
        // It is not bought with the slowest data rate, at which an uplink takes 1.5 seconds.
        assert!(ours.airtime < u64::from(FRAMES) * 700);
    }
}

// NS-71, NS-72
#[test]
fn on_a_link_that_only_flickers_ours_settles_and_stays() {
    let scores = compare(5.0, 0.0);
    assert!(scores.iter().all(|(default, ours)| ours.changes * 4 < default.changes));
    let lost = |of: fn(&(Score, Score)) -> u32| scores.iter().map(of).sum::<u32>();
    assert!(lost(|(_, ours)| ours.lost) < lost(|(default, _)| default.lost));
    // SF7 mostly: 62 milliseconds.
    assert!(scores.iter().all(|(_, ours)| ours.airtime < u64::from(FRAMES) * 130));
}

#[test]
fn the_same_seed_gives_the_same_counts() {
    for policy in [&SteadyAdr as &dyn AdrAlgorithm, &ChirpStackAdr::default()] {
        let [a, b] = [0, 1].map(|_| run(policy, 7, 0.0, 10.0));
        assert_eq!((a.lost, a.changes, a.airtime), (b.lost, b.changes, b.airtime));
    }
}
