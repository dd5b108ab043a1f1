//! The work of `benches/mac.rs` once or many times over, for valgrind: instructions do not depend on what else a machine does.
//!
//! ```text
//! cargo bench -p ttn-mac --bench instructions --no-run
//! valgrind --tool=callgrind --callgrind-out-file=/dev/null target/release/deps/instructions-… mic_miss_expanded 1000
//! ```
//!
//! The difference of the counts for 2,000 and 1,000 rounds, divided by 1,000, is what one round takes. Without arguments it
//! lists the kinds of work.
#![allow(missing_docs, clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

mod common;

use common::{Fixture, Work};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|it| it != "--bench").collect();
    let [name, rounds] = arguments.as_slice() else {
        Work::ALL.iter().for_each(|work| println!("{work}"));
        return;
    };
    let work = *Work::ALL.iter().find(|work| work.to_string() == *name).unwrap();
    let mut fixture = Fixture::new();
    for _ in 0..rounds.parse::<u64>().unwrap() {
        std::hint::black_box(fixture.run(work));
    }
}
