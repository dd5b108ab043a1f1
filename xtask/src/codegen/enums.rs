//! JSON rules of enums.

use std::fmt::Write as _;

use anyhow::Result;
use prost_reflect::EnumDescriptor;

use super::names;
use super::pool::{self, Api};

/// `JsonEnum` for one enum.
pub(crate) fn implement(api: &Api, desc: &EnumDescriptor) -> Result<String> {
    let options = desc.options();
    let number = api.text(&options, "json_out").as_deref() != Some("string");
    let prefix = api.text(&options, "json_in_prefix").unwrap_or_default();
    let mut text = format!(
        "\nimpl JsonEnum for {} {{\n    const RULES: EnumRules = EnumRules {{\n        number: {number},\n        prefix: {},\n        values: &[\n",
        names::enumeration(desc),
        names::literal(&prefix)
    );
    for value in pool::values(desc) {
        let options = value.options();
        let string = api.text(&options, "json_string");
        let string =
            string.map_or_else(|| "None".to_owned(), |s| format!("Some({})", names::literal(&s)));
        let aliases: Vec<_> =
            api.texts(&options, "json_alias").iter().map(|s| names::literal(s)).collect();
        writeln!(
            text,
            "            EnumValue {{ name: {}, number: {}, string: {string}, aliases: &[{}] }},",
            names::literal(value.name()),
            value.number(),
            aliases.join(", ")
        )?;
    }
    text.push_str("        ],\n    };\n}\n");
    Ok(text)
}
