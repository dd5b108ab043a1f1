//! Channel masks: which channels a device may use, and how LinkADRReq says so (TS001-1.0.4 §5.2; ChMaskCntl: RP002,
//! LinkADRReq of each region).

use alloc::{vec, vec::Vec};

/// A set of channel indexes below 128.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ChannelMask(u128);

impl ChannelMask {
    /// No channel.
    pub const EMPTY: Self = Self(0);

    /// Makes a mask of bits: bit i for channel i.
    #[must_use]
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits)
    }

    /// The bits: bit i for channel i.
    #[must_use]
    pub const fn bits(self) -> u128 {
        self.0
    }

    /// The channels below `count`.
    #[must_use]
    pub const fn first(count: usize) -> Self {
        if count >= 128 { Self(u128::MAX) } else { Self(!(u128::MAX << count)) }
    }

    /// Whether the channel is in the set.
    #[must_use]
    pub const fn contains(self, index: u8) -> bool {
        index < 128 && self.0 & bit(index) != 0
    }

    /// Puts a channel into the set or takes it out; an index above 127 is ignored.
    pub const fn set(&mut self, index: u8, enabled: bool) {
        if index < 128 {
            if enabled {
                self.0 |= bit(index);
            } else {
                self.0 &= !bit(index);
            }
        }
    }

    /// Whether no channel is in the set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many channels are in the set.
    #[must_use]
    pub const fn count(self) -> u32 {
        self.0.count_ones()
    }

    /// The channels, lowest first.
    pub fn iter(self) -> impl Iterator<Item = u8> {
        (0..128).filter(move |index| self.contains(*index))
    }

    /// The channels 16 · `group` to 16 · `group` + 15.
    const fn group(self, group: u8) -> u16 {
        (self.0 >> shift(group)) as u16
    }

    const fn with_group(self, group: u8, mask: u16) -> Self {
        let cleared = self.0 & !(0xFFFF << shift(group));
        Self(cleared | ((mask as u128) << shift(group)))
    }
}

impl FromIterator<u8> for ChannelMask {
    fn from_iter<I: IntoIterator<Item = u8>>(indexes: I) -> Self {
        let mut mask = Self::EMPTY;
        indexes.into_iter().for_each(|index| mask.set(index, true));
        mask
    }
}

/// ChMaskCntl and ChMask of one LinkADRReq.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaskPair {
    /// What the mask is about, 0 to 7.
    pub ch_mask_cntl: u8,
    /// The mask.
    pub ch_mask: u16,
}

/// How LinkADRReq addresses the channels of a band.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "complete by definition of the documents")]
pub enum ChMaskScheme {
    /// 16 channels: 0 = mask, 6 = all on.
    Channels16,
    /// 48 channels: 0 to 2 = mask, 3 = all on, 4 = all off.
    Channels48,
    /// 64 channels: 0 to 3 = mask, 6 = all on, 7 = all off.
    Channels64,
    /// 64 narrow and 8 wide channels: 0 to 4 = mask; 6 and 7 = all narrow on or off, mask of the wide ones.
    Channels72 {
        /// 5 = a bit for each 8 narrow channels.
        uses_cntl5: bool,
        /// A block of requests is applied as one.
        atomic: bool,
    },
    /// 96 channels: 0 to 5 = mask, 6 = all on.
    Channels96,
}

impl ChMaskScheme {
    /// How many channels there are.
    #[must_use]
    pub const fn channels(self) -> u8 {
        match self {
            Self::Channels16 => 16,
            Self::Channels48 => 48,
            Self::Channels64 => 64,
            Self::Channels72 { .. } => 72,
            Self::Channels96 => 96,
        }
    }

    /// What a device does with a pair; `None` if this ChMaskCntl is not defined.
    #[must_use]
    pub const fn apply(self, current: ChannelMask, pair: MaskPair) -> Option<ChannelMask> {
        let MaskPair { ch_mask_cntl: cntl, ch_mask: mask } = pair;
        let all = ChannelMask::first(self.channels() as usize);
        Some(match (self, cntl) {
            (Self::Channels72 { .. }, 4) => current.with_group(4, mask & 0xFF),
            (Self::Channels72 { uses_cntl5: true, .. }, 5) => with_blocks(current, mask),
            (Self::Channels72 { .. }, 6) => ChannelMask::first(64).with_group(4, mask & 0xFF),
            (Self::Channels72 { .. }, 7) => ChannelMask::EMPTY.with_group(4, mask & 0xFF),
            (Self::Channels48, 3) | (Self::Channels16 | Self::Channels64 | Self::Channels96, 6) => {
                all
            }
            (Self::Channels48, 4) | (Self::Channels64, 7) => ChannelMask::EMPTY,
            _ if cntl < self.groups() => current.with_group(cntl, mask),
            _ => return None,
        })
    }

    /// The shortest sequence of pairs that leads from one set of channels to another; at least one, since a
    /// LinkADRReq always has a mask. Where requests are applied one by one, no step leaves the device without channel.
    #[must_use]
    pub fn pairs(self, current: ChannelMask, desired: ChannelMask) -> Vec<MaskPair> {
        if current == desired {
            let group = (0..self.groups()).find(|group| desired.group(*group) != 0).unwrap_or(0);
            return vec![pair(group, desired.group(group))];
        }
        let mut best = self.direct(current, desired);
        for first in self.shortcuts(desired) {
            let Some(after) = self.apply(current, first) else { continue };
            let mut pairs = vec![first];
            if after != desired {
                pairs.extend(self.direct(after, desired));
            }
            if pairs.len() < best.len() {
                best = pairs;
            }
        }
        best
    }

    /// One pair for each group that changes, those that enable channels first.
    fn direct(self, current: ChannelMask, desired: ChannelMask) -> Vec<MaskPair> {
        let changed =
            (0..self.groups()).filter(|group| current.group(*group) != desired.group(*group));
        let mut pairs: Vec<MaskPair> =
            changed.map(|group| pair(group, desired.group(group))).collect();
        pairs.sort_by_key(|pair| pair.ch_mask == 0);
        pairs
    }

    /// Pairs that set many channels at once, in the order of preference.
    fn shortcuts(self, desired: ChannelMask) -> Vec<MaskPair> {
        let wide = desired.group(4) & 0xFF;
        match self {
            Self::Channels16 => vec![],
            Self::Channels48 => vec![pair(3, 0), pair(4, 0)],
            Self::Channels64 => vec![pair(6, 0), pair(7, 0)],
            Self::Channels72 { atomic: false, .. } => vec![pair(6, wide)],
            Self::Channels72 { uses_cntl5, .. } => {
                let mut pairs = vec![pair(6, wide), pair(7, wide)];
                pairs.extend(uses_cntl5.then(|| pair(5, blocks(desired))));
                pairs
            }
            Self::Channels96 => vec![pair(6, 0)],
        }
    }

    const fn groups(self) -> u8 {
        self.channels().div_ceil(16)
    }
}

/// The mask of ChMaskCntl 5 that sets every whole block of eight narrow channels; what is left is for other pairs.
fn blocks(mask: ChannelMask) -> u16 {
    let narrow = mask.bits() as u64;
    let whole = narrow.to_le_bytes().map(|octet| octet == 0xFF);
    whole.into_iter().rev().fold(0, |blocks, set| (blocks << 1) | u16::from(set))
}

const fn with_blocks(current: ChannelMask, blocks: u16) -> ChannelMask {
    let mut narrow = 0_u128;
    let mut index = 0_u8;
    while index < 64 {
        if blocks & (1_u16 << (index / 8)) != 0 {
            narrow |= bit(index);
        }
        index = index.saturating_add(1);
    }
    ChannelMask((current.0 & !ChannelMask::first(64).0) | narrow)
}

const fn pair(ch_mask_cntl: u8, ch_mask: u16) -> MaskPair {
    MaskPair { ch_mask_cntl, ch_mask }
}

const fn bit(index: u8) -> u128 {
    1_u128 << (index & 0x7F)
}

const fn shift(group: u8) -> u32 {
    (group as u32 & 0x07).saturating_mul(16)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SCHEMES: [ChMaskScheme; 7] = [
        ChMaskScheme::Channels16,
        ChMaskScheme::Channels48,
        ChMaskScheme::Channels64,
        ChMaskScheme::Channels72 { uses_cntl5: false, atomic: false },
        ChMaskScheme::Channels72 { uses_cntl5: false, atomic: true },
        ChMaskScheme::Channels72 { uses_cntl5: true, atomic: true },
        ChMaskScheme::Channels96,
    ];

    proptest! {
        // NS-46
        #[test]
        fn pairs_lead_to_the_desired_channels_and_never_through_none(from: u128, to: u128, which in 0_usize..7) {
            let scheme = SCHEMES[which];
            let all = ChannelMask::first(scheme.channels().into()).bits();
            let (current, desired) = (ChannelMask(from & all), ChannelMask(to & all));
            prop_assume!(!current.is_empty() && !desired.is_empty());
            let mut state = current;
            for pair in scheme.pairs(current, desired) {
                state = scheme.apply(state, pair).expect("a pair that the scheme defines");
                if matches!(scheme, ChMaskScheme::Channels72 { atomic: false, .. }) {
                    prop_assert!(!state.is_empty());
                }
            }
            prop_assert_eq!(state, desired);
        }

        // NS-46
        #[test]
        fn no_other_first_pair_leads_to_fewer(from: u128, to: u128, holes: u64, which in 0_usize..7) {
            let scheme = SCHEMES[which];
            let all = ChannelMask::first(scheme.channels().into()).bits();
            let current = ChannelMask(from & all);
            // Whole blocks here and there, as plans have them.
            let whole = to.to_le_bytes().map(|octet| if octet & 1 == 0 { 0 } else { 0xFF });
            let few = u128::from(holes & holes.rotate_left(7) & holes.rotate_left(23));
            let desired = ChannelMask((u128::from_le_bytes(whole) ^ few) & all);
            prop_assume!(!current.is_empty() && !desired.is_empty() && current != desired);
            // A device that takes requests one by one needs a data rate for each step.
            prop_assume!(!matches!(scheme, ChMaskScheme::Channels72 { atomic: false, .. }));
            let ours = scheme.pairs(current, desired).len();
            for cntl in 0..8 {
                for ch_mask in (0..256).chain([0xFFFF]) {
                    let Some(after) = scheme.apply(current, pair(cntl, ch_mask)) else { continue };
                    let rest = scheme.direct(after, desired).len();
                    prop_assert!(ours <= 1 + rest, "{ours} pairs, one less with {cntl} {ch_mask:#X}");
                }
            }
        }
    }
}
