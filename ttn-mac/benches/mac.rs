//! What one uplink costs in the MAC layer, beside two other crates that do the same work.
//!
//! `cargo bench -p ttn-mac --bench mac`; instructions: `benches/instructions.rs`.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

mod common;

use common::Work;
use divan::Bencher;

fn main() {
    divan::main();
}

/// Everything that [`Work`] can do.
#[divan::bench(args = Work::ALL, sample_count = 200, sample_size = 1000)]
fn uplink_of_33_octets(bencher: Bencher<'_, '_>, work: Work) {
    let mut fixture = common::Fixture::new();
    bencher.bench_local(move || fixture.run(work));
}
