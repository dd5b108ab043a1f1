//! The examples of `docs/guide/formatters.md`: each script with the cases that follow it.

use std::sync::Arc;

use ttn_as::{
    format::javascript::{InProcessHost, JavaScript, Limits, cases::Case},
    testing,
};

const GUIDE: &str = include_str!("../../../docs/guide/formatters.md");

/// The code blocks with their languages, in order.
fn blocks() -> Vec<(&'static str, &'static str)> {
    let parts: Vec<_> = GUIDE.split("```").collect();
    let inside = parts.iter().skip(1).step_by(2);
    inside.filter_map(|block| block.split_once('\n')).collect()
}

// AS-14, AS-16
#[test]
fn every_script_of_the_guide_gives_what_the_guide_says() {
    let formatter = JavaScript::new(Arc::new(InProcessHost::new(Limits::default())));
    let ids = testing::ids("my-app.my-dev");
    let blocks = blocks();
    let mut count = 0;
    for pair in blocks.windows(2) {
        let [("js", script), ("json", cases)] = pair else { continue };
        let cases: Vec<Case> = serde_json::from_str(cases).unwrap();
        for case in cases {
            let differences = case.differences(&formatter, &ids, script);
            assert_eq!(futures::executor::block_on(differences), [""; 0], "{script}");
            count += 1;
        }
    }
    assert_eq!(count, 6);
    assert_eq!(blocks.len(), 6, "no script without cases");
}
