//! Versions of LoRaWAN, and the rules in which they differ.
//!
//! ```
//! use ttn_mac::version::{MacVersion, MacRules as _};
//!
//! assert!(MacVersion::V1_1.encrypts_f_opts());
//! assert!(MacVersion::V1_0_3.has_max_f_cnt_gap());
//! ```

pub use ttn_core::version::{MacVersion, PhyVersion};

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident = $since:ident $(.. $before:ident)?;)*) => {
        /// What depends on the version of LoRaWAN. Implemented for [`MacVersion`] only.
        pub trait MacRules: sealed::Sealed {
            $($(#[$doc])* #[must_use] fn $name(self) -> bool;)*
        }

        impl MacRules for MacVersion {
            $(fn $name(self) -> bool {
                self >= Self::$since $(&& self < Self::$before)?
            })*
        }
    };
}

rules! {
    /// FOpts are encrypted with NwkSEncKey.
    encrypts_f_opts = V1_1;
    /// A counter may not jump by more than MAX_FCNT_GAP (NS-09).
    has_max_f_cnt_gap = V1_0 .. V1_0_4;
    /// 15 in LinkADRReq means “keep the value”.
    has_no_change_adr_indices = V1_0_4;
    /// An uplink that is longer than its data rate allows is dropped (NS-13).
    ignores_uplinks_exceeding_length_limit = V1_0_4 .. V1_1;
    /// DevNonce counts up; before, it is random.
    dev_nonce_is_counter = V1_0_4;
    /// The network's root key is NwkKey; before, there is AppKey alone.
    uses_nwk_key = V1_1;
    /// One key makes the whole integrity code.
    uses_legacy_mic = V1_0 .. V1_1;
    /// Network and application downlinks share one counter (NS-90).
    shares_f_cnt_down = V1_0 .. V1_1;
    /// DlChannelReq is defined.
    uses_dl_channel_req = V1_0_2;
    /// TxParamSetupReq is defined.
    uses_tx_param_setup_req = V1_0_2;
    /// ADRParamSetupReq is defined.
    uses_adr_param_setup_req = V1_1;
    /// ForceRejoinReq and rejoin-requests are defined.
    rejoins = V1_1;
    /// BeaconTimingReq is answered; later versions ask with DeviceTimeReq (NS-61).
    answers_beacon_timing_req = V1_0 .. V1_0_3;
    /// RejoinParamSetupReq is defined.
    uses_rejoin_param_setup_req = V1_1;
    /// DeviceModeInd is defined.
    uses_device_mode_ind = V1_1;
    /// RekeyInd is defined, and a new session starts with it (NS-30).
    uses_rekey_ind = V1_1;
    /// A block of LinkADRReq may be answered by the same answer for each request (NS-46).
    allows_duplicate_link_adr_ans = V1_0_2 .. V1_1;
    /// A block of LinkADRReq is answered by one answer (NS-46).
    has_singular_link_adr_ans = V1_1;
    /// A confirmed uplink is sent a limited number of times, whatever NbTrans says (NS-12).
    limits_confirmed_transmissions = V1_0 .. V1_0_4;
    /// An ABP device needs a DevEUI (NS-31).
    requires_dev_eui_for_abp = V1_0_4;
    /// Requests are sent only if their answers fit the next uplink (NS-67).
    validates_uplink_size_for_answers = V1_1;
}

mod sealed {
    #[expect(unnameable_types, reason = "this is what seals the trait")]
    pub trait Sealed {}
    impl Sealed for super::MacVersion {}
}
