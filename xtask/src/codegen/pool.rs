//! The compiled `.proto` files with the facts of `ttn/options.proto`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use prost_reflect::{
    DescriptorPool, DynamicMessage, EnumDescriptor, EnumValueDescriptor, FieldDescriptor,
    FileDescriptor, MessageDescriptor, Value,
};

/// The package of nearly all messages and services.
pub(crate) const PACKAGE: &str = "ttn.lorawan.v3";

/// All packages, and their directories. Messages of all of them are in one module, so their names differ; those of one
/// package refer to no message of another one.
pub(crate) const PACKAGES: [(&str, &str); 2] = [(PACKAGE, "ttn/lorawan/v3"), ("ttn.v1", "ttn/v1")];

/// The API as descriptors.
pub(crate) struct Api {
    pub(crate) pool: DescriptorPool,
    /// File descriptors for `prost-build`, with comments.
    pub(crate) set: prost_types::FileDescriptorSet,
    pub(crate) masks: BTreeMap<String, MaskRow>,
}

/// One row of `field_masks.tsv`.
pub(crate) struct MaskRow {
    pub(crate) set: bool,
    pub(crate) message: String,
    pub(crate) kind: String,
    pub(crate) paths: Vec<String>,
}

impl Api {
    pub(crate) fn load(root: &Path) -> Result<Self> {
        let mut names = Vec::new();
        for (_, directory) in PACKAGES {
            let dir = root.join(directory);
            for entry in fs::read_dir(&dir).with_context(|| format!("no {}", dir.display()))? {
                let name = entry?.file_name();
                names.push(format!("{directory}/{}", name.to_string_lossy()));
            }
        }
        names.sort();
        let mut compiler = protox::Compiler::new([root])?;
        compiler.include_source_info(true).include_imports(true).open_files(&names)?;
        let pool = compiler.descriptor_pool();
        let set = compiler.file_descriptor_set();
        Ok(Self { pool, set, masks: masks(&root.join("field_masks.tsv"))? })
    }

    /// The files of the packages, by name.
    pub(crate) fn files(&self) -> Vec<FileDescriptor> {
        let is_ours = |name: &str| PACKAGES.iter().any(|(package, _)| *package == name);
        let mut files: Vec<_> =
            self.pool.files().filter(|file| is_ours(file.package_name())).collect();
        files.sort_by(|a, b| a.name().cmp(b.name()));
        files
    }

    /// The extension `ttn.<name>` of an options message.
    fn option(&self, options: &DynamicMessage, name: &str) -> Option<Value> {
        let extension = self.pool.get_extension_by_name(&format!("ttn.{name}"))?;
        options.has_extension(&extension).then(|| options.get_extension(&extension).into_owned())
    }

    pub(crate) fn text(&self, options: &DynamicMessage, name: &str) -> Option<String> {
        self.option(options, name)?.as_str().map(str::to_owned)
    }

    pub(crate) fn texts(&self, options: &DynamicMessage, name: &str) -> Vec<String> {
        let Some(value) = self.option(options, name) else { return Vec::new() };
        let list = value.as_list().unwrap_or_default();
        list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    }

    pub(crate) fn flag(&self, options: &DynamicMessage, name: &str) -> bool {
        self.option(options, name).and_then(|value| value.as_bool()).unwrap_or_default()
    }

    /// The validation rules of a field.
    pub(crate) fn rules(&self, field: &FieldDescriptor) -> Vec<String> {
        self.texts(&field.options(), "rule")
    }

    /// Whether a message is encoded as the bare value of its field.
    pub(crate) fn is_wrapper(&self, message: &MessageDescriptor) -> bool {
        self.text(&message.options(), "message_json").as_deref() == Some("wrapper")
    }

    /// Whether a message follows the JSON rules of The Things Stack.
    pub(crate) fn is_plugin(&self, message: &MessageDescriptor) -> bool {
        self.text(&message.options(), "message_json").is_some()
    }
}

/// The base name of a file, without directory and extension.
pub(crate) fn stem(file: &FileDescriptor) -> &str {
    file.name().rsplit('/').next().unwrap_or_default().trim_end_matches(".proto")
}

/// All messages of a file, outer before inner, without map entries.
pub(crate) fn messages(file: &FileDescriptor) -> Vec<MessageDescriptor> {
    fn walk(message: MessageDescriptor, found: &mut Vec<MessageDescriptor>) {
        if message.is_map_entry() {
            return;
        }
        let children: Vec<_> = message.child_messages().collect();
        found.push(message);
        for child in children {
            walk(child, found);
        }
    }
    let mut found = Vec::new();
    for message in file.messages() {
        walk(message, &mut found);
    }
    found
}

/// The fields of a message as they are declared; the pool has them by number.
pub(crate) fn fields(message: &MessageDescriptor) -> Vec<FieldDescriptor> {
    let declared = message.descriptor_proto().field.iter();
    declared.filter_map(|field| message.get_field_by_name(field.name())).collect()
}

/// The values of an enum as they are declared.
pub(crate) fn values(desc: &EnumDescriptor) -> Vec<EnumValueDescriptor> {
    let declared = desc.enum_descriptor_proto().value.iter();
    declared.filter_map(|value| desc.get_value_by_name(value.name())).collect()
}

/// All enums of a file.
pub(crate) fn enums(file: &FileDescriptor) -> Vec<EnumDescriptor> {
    let mut found: Vec<_> = file.enums().collect();
    for message in messages(file) {
        found.extend(message.child_enums());
    }
    found
}

fn masks(path: &Path) -> Result<BTreeMap<String, MaskRow>> {
    let text = fs::read_to_string(path).with_context(|| format!("no {}", path.display()))?;
    let mut rows = BTreeMap::new();
    for line in text.lines().skip(1) {
        let columns: Vec<_> = line.split('\t').collect();
        ensure!(columns.len() == 7, "field_masks.tsv: a row has {} columns", columns.len());
        let paths = columns[6].split(',').map(|path| path.trim_start_matches('+'));
        let row = MaskRow {
            set: columns[1] == "set",
            message: columns[2].to_owned(),
            kind: columns[4].to_owned(),
            paths: paths.filter(|path| !path.is_empty()).map(str::to_owned).collect(),
        };
        rows.insert(columns[0].to_owned(), row);
    }
    Ok(rows)
}
