//! The machine type's part of the user data.

use data_encoding::HEXLOWER;
use ring::digest::{Context, SHA256};

use crate::api::common::Os;
use crate::api::machine_type::MachineTypeSpec;

/// The user data for nodes with this operating system, in the machine type's order. A node that boots an image of which
/// nobody says the operating system gets what is for all.
pub fn user_data<'a>(machine: &'a MachineTypeSpec, os: Option<&'a Os>) -> impl Iterator<Item = &'a str> {
    let fits =
        machine.cloud_init.iter().filter(move |entry| entry.os.as_ref().is_none_or(|of| Some(of) == os));
    fits.map(|entry| entry.user_data.as_str())
}

/// SHA-256 of all that the machine type adds to the user data: its texts and its public keys.
#[must_use]
pub fn user_data_digest(machine: &MachineTypeSpec, os: Option<&Os>) -> String {
    let mut context = Context::new(&SHA256);
    let keys = machine.ssh_authorized_keys.iter().map(String::as_str);
    for (kind, text) in user_data(machine, os).map(|text| ("text", text)).chain(keys.map(|key| ("key", key)))
    {
        // With its length: two texts are not one long one.
        context.update(format!("{kind} {} ", text.len()).as_bytes());
        context.update(text.as_bytes());
    }
    HEXLOWER.encode(context.finish().as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::machine_type::CloudInit;

    fn os(version: &str) -> Os {
        Os { kind: "ubuntu".into(), version: version.into() }
    }

    fn machine(texts: &[&str], keys: &[&str]) -> MachineTypeSpec {
        let entry = |text: &&str| CloudInit { os: None, user_data: (*text).into() };
        MachineTypeSpec {
            cloud_init: texts.iter().map(entry).collect(),
            ssh_authorized_keys: keys.iter().map(|key| (*key).into()).collect(),
            ..MachineTypeSpec::default()
        }
    }

    #[test]
    fn the_digest_tells_texts_and_keys_apart_however_they_are_cut() {
        let digests: std::collections::BTreeSet<String> = [
            machine(&[], &[]),
            machine(&["ab", "c"], &[]),
            machine(&["a", "bc"], &[]),
            machine(&["abc"], &[]),
            machine(&[], &["abc"]),
        ]
        .iter()
        .map(|machine| user_data_digest(machine, Some(&os("22.04"))))
        .collect();

        assert_eq!(digests.len(), 5, "{digests:?}");
        assert!(digests.iter().all(|digest| digest.len() == 64));
    }

    #[test]
    fn what_is_for_another_operating_system_does_not_count() {
        let mut machine = machine(&["for all"], &[]);
        let before = user_data_digest(&machine, Some(&os("22.04")));

        machine.cloud_init.push(CloudInit { os: Some(os("24.04")), user_data: "for another".into() });

        assert_eq!(user_data_digest(&machine, Some(&os("22.04"))), before);
        assert_eq!(user_data_digest(&machine, None), before);
        assert_ne!(user_data_digest(&machine, Some(&os("24.04"))), before);
    }
}
