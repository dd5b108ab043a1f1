//! What a scenario needs that may not be there.

use std::env;

use libtest_mimic::{Failed, Trial};

/// What a scenario needs, which `TTN_REQUIRE` may demand by a word.
pub(crate) struct Need {
    pub(crate) word: &'static str,
    /// Why it is not there.
    pub(crate) missing: Option<String>,
}

/// A scenario that is listed as ignored if something is missing that is not demanded.
pub(crate) fn trial(
    name: &str,
    needs: &[&Need],
    scenario: impl FnOnce() + Send + 'static,
) -> Trial {
    let Some(Need { word, missing: Some(reason) }) = needs.iter().find(|it| it.missing.is_some())
    else {
        return Trial::test(name, move || {
            scenario();
            Ok(())
        });
    };
    let is_required =
        env::var("TTN_REQUIRE").is_ok_and(|list| list.split(',').any(|name| name == *word));
    let reason = reason.clone();
    Trial::test(format!("{name}: {reason}"), move || Err(Failed::from(reason)))
        .with_ignored_flag(!is_required)
}
