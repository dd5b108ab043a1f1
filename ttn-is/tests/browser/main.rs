//! The pages of the account in Chromium, over real sockets, as narrow as a telephone.
//!
//! Without `chromium` and `chromedriver` the tests are listed as ignored, and fail if `TTN_REQUIRE` contains `chromium`.
//! A picture of every page is left in the directory `pages` of the temporary directory of the target.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may panic, and this one lives in real time with threads of its own"
)]

mod driver;
mod pages;
mod server;

use std::{env, process::ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};

const TESTS: &[(&str, fn())] = &[
    (
        "a_person_lets_a_client_and_his_browser_follows_back_to_it",
        pages::a_person_lets_a_client_and_his_browser_follows_back_to_it,
    ),
    (
        "a_person_registers_validates_his_address_and_replaces_a_password",
        pages::a_person_registers_validates_his_address_and_replaces_a_password,
    ),
    (
        "what_goes_wrong_is_told_on_the_page_where_it_did",
        pages::what_goes_wrong_is_told_on_the_page_where_it_did,
    ),
];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Browsers that open at the same time are in each other's way.
    arguments.test_threads = Some(1);
    let there = driver::is_there();
    let required =
        env::var("TTN_REQUIRE").is_ok_and(|list| list.split(',').any(|it| it == "chromium"));
    let trials = TESTS.iter().map(|(name, test)| {
        if there {
            return Trial::test(*name, move || {
                test();
                Ok(())
            });
        }
        let reason = "chromium or chromedriver is not installed";
        Trial::test(format!("{name}: {reason}"), move || Err(Failed::from(reason)))
            .with_ignored_flag(!required)
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
