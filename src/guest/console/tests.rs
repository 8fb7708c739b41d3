use base64::prelude::{BASE64_STANDARD, Engine as _};
use proptest::prelude::*;

use super::*;

mod field;

const ED25519: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO0XaPr8Sq+T/3no50j2j2TUo45KYDx2APl2wFX9+sIS";
const FINAL: &str = "Cloud-init v. 22.4.2 finished at Tue, 20 Feb 2024 10:11:12 +0000. \
                     Datasource DataSourceOpenStackLocal [net,ver=2].  Up 21.12 seconds";
const STAGE: &str =
    "Cloud-init v. 22.4.2 running 'modules:final' at Tue, 20 Feb 2024 10:11:11 +0000. Up 20.9 seconds.";

fn key(kind: &str) -> String {
    let field = |field: &[u8]| [&u32::try_from(field.len()).unwrap().to_be_bytes(), field].concat();
    let blob = [field(kind.as_bytes()), field(&[3; 8]), field(&[4; 97])].concat();
    format!("{kind} {}", BASE64_STANDARD.encode(blob))
}

fn printed() -> Vec<String> {
    vec![key("ecdsa-sha2-nistp256"), ED25519.to_owned(), key("ssh-rsa")]
}

fn block(keys: &[String]) -> Vec<String> {
    let keys = keys.iter().map(|key| format!("{key} root@smithi001"));
    let begin = "-----BEGIN SSH HOST KEY KEYS-----".to_owned();
    std::iter::once(begin).chain(keys).chain(["-----END SSH HOST KEY KEYS-----".to_owned()]).collect()
}

/// The end of a console as cloud-init 22.4.2 leaves it.
fn log() -> Vec<String> {
    let fingerprints = [
        "#############################################################",
        "-----BEGIN SSH HOST KEY FINGERPRINTS-----",
        "256 SHA256:wzIJ5JUdrY3w7yIN9i6Ysq7ZRtrRK/oNpOZNs3SgArQ root@smithi001 (ECDSA)",
        "-----END SSH HOST KEY FINGERPRINTS-----",
        "#############################################################",
    ];
    let fingerprints = fingerprints.map(|line| format!("<14>Apr  9 22:06:30 cloud-init: {line}"));
    [vec![STAGE.to_owned()], fingerprints.to_vec(), block(&printed()), vec![FINAL.to_owned()]].concat()
}

fn keys_of(text: &str) -> Vec<String> {
    Console::read(text, None).host_keys.iter().map(ToString::to_string).collect()
}

/// What stands before a line: nothing, or what the kernel, systemd, journald or an old release put there.
fn prefix() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(String::new()),
        "\\[ {0,4}[0-9]{1,5}\\.[0-9]{6}\\] (cloud-init|ec2)\\[[0-9]{1,5}\\]: ",
        "May 10 22:18:34 host (cloud-init|ec2)\\[[0-9]{1,5}\\]: ",
        "<14>Apr  9 22:06:30 (cloud-init|ec2): ",
        Just("\u{1b}[0;32m[  OK  ]\u{1b}[0m ".to_owned()),
    ]
}

/// Lines that others print in between.
fn noise() -> impl Strategy<Value = Vec<String>> {
    let line = prop_oneof![
        Just("[   22.000001] audit: type=1400 apparmor=\"STATUS\" ssh-rsa ssh-ed25519 AAAA".to_owned()),
        Just(
            "[\u{1b}[0;32m  OK  \u{1b}[0m] Reached target \u{1b}[0;1;39mcloud-init.target\u{1b}[0m."
                .to_owned()
        ),
        Just("-----END SSH HOST KEY FINGERPRINTS-----".to_owned()),
        "[ -~]{0,80}",
    ];
    proptest::collection::vec(line, 0..3)
}

proptest! {
    #[test]
    fn keys_found_are_keys_printed_whatever_stands_before_and_between(
        prefixes in proptest::collection::vec(prefix(), 40),
        noise in proptest::collection::vec(noise(), 40),
        end in prop_oneof![Just("\n"), Just("\r\n"), Just("\r\r\n")],
    ) {
        let mut text = String::new();
        for ((line, prefix), noise) in log().iter().zip(&prefixes).zip(&noise) {
            for line in noise {
                text.extend([line.as_str(), end]);
            }
            text.extend([prefix.as_str(), line.as_str(), end]);
        }

        let reading = Console::read(&text, None);

        let found: Vec<String> = reading.host_keys.iter().map(ToString::to_string).collect();
        prop_assert_eq!(found, printed());
        prop_assert_eq!(reading.finished, Some(Finished { sign: Sign::FinalMessage, line: FINAL.to_owned() }));
        prop_assert_eq!(reading.stage.as_deref(), Some(STAGE));
    }

    /// Nova keeps the end of a console, and shows what there is so far: every key or none.
    #[test]
    fn a_console_that_is_cut_on_either_side_shows_all_keys_or_none(from in 0usize..2000, to in 0usize..2000) {
        let whole = log().join("\r\n");
        let (from, to) = (from.min(whole.len()), to.min(whole.len()));
        let seen = &whole[from.min(to)..from.max(to)];

        let found = keys_of(seen);

        prop_assert!(found.is_empty() || found == printed(), "{found:?}");
    }

    #[test]
    fn no_bytes_make_it_panic_and_no_tail_is_longer_than_asked(
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
        limit in 0usize..200,
        marker in proptest::option::of("[a-f0-9-]{0,6}"),
    ) {
        let text = String::from_utf8_lossy(&bytes);

        let _ = Console::read(&text, marker.as_deref());
        let tail = Console::tail(&text, limit);

        prop_assert!(tail.len() <= limit);
        prop_assert!(!tail.chars().any(|c| crate::saying::is_hidden(c) && c != '\n'));
    }

    #[test]
    fn a_tail_is_the_last_lines_whole_and_as_many_as_fit(
        lines in proptest::collection::vec("[a-z]{1,30}", 0..20), limit in 0usize..200,
    ) {
        let text = lines.join("\r\n");

        let tail = Console::tail(&text, limit);

        prop_assert!(tail.len() <= limit);
        let kept: Vec<&str> = tail.lines().collect();
        prop_assert!(lines.ends_with(&kept.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>()));
        let next = lines.len().checked_sub(kept.len() + 1).map(|at| lines[at..].join("\n"));
        prop_assert!(next.is_none_or(|longer| longer.len() > limit));
    }
}

#[test]
fn only_the_first_complete_block_counts() {
    let (ours, forged) = (block(&printed()), block(&[key("ssh-rsa")]));

    assert_eq!(keys_of(&[ours.clone(), forged.clone()].concat().join("\n")), printed());
    // A boot that was cut short, then another.
    assert_eq!(keys_of(&[&forged[..2], &ours].concat().join("\n")), printed());
}

#[test]
fn a_key_outside_the_block_is_nobodys() {
    assert!(keys_of(ED25519).is_empty());
    assert!(
        keys_of(&format!("-----END SSH HOST KEY KEYS-----\n{ED25519}\n-----END SSH HOST KEY KEYS-----"))
            .is_empty()
    );
}

#[test]
fn more_keys_than_any_host_has_are_not_kept() {
    let keys: Vec<String> = (0..20)
        .map(|n| {
            format!(
                "ssh-ed25519 {}",
                BASE64_STANDARD.encode([b"\0\0\0\x0bssh-ed25519\0\0\0\x20".as_slice(), &[n; 32]].concat())
            )
        })
        .collect();

    assert_eq!(keys_of(&block(&keys).join("\n")), keys[..8]);
}

#[test]
fn the_same_key_twice_is_one_key() {
    assert_eq!(keys_of(&block(&[ED25519.to_owned(), ED25519.to_owned()]).join("\n")), [ED25519]);
}

#[test]
fn the_last_stage_is_the_one_that_runs() {
    let text = format!(
        "[ 1.0] cloud-init[1]: {}\n[ 2.0] cloud-init[2]: {STAGE}\nlogin:",
        STAGE.replace("final", "config")
    );

    let reading = Console::read(&text, None);

    assert_eq!(reading.stage.as_deref(), Some(STAGE));
    assert_eq!(reading.finished, None);
}

#[test]
fn a_guest_that_found_no_metadata_says_so() {
    let line = "Cloud-init v. 22.4.2 finished at Tue. Datasource DataSourceNone.  Up 200 seconds";

    let reading = Console::read(&format!("[ 1.0] cloud-init[1]: {line}\r\n"), None);

    assert!(reading.no_datasource);
    assert_eq!(reading.finished, Some(Finished { sign: Sign::FinalMessage, line: line.to_owned() }));
}

#[test]
fn the_marker_counts_where_user_data_replaced_the_final_message() {
    let finished = |text| Console::read(text, Some("0a1b-1")).finished;

    assert_eq!(
        finished("[ 1.0] cloud-init[1]: done 0a1b-1 at last").unwrap().line,
        "[ 1.0] cloud-init[1]: done 0a1b-1 at last"
    );
    assert!(finished(FINAL).is_some());
    assert_eq!(finished("all done"), None);
    assert_eq!(Console::read("all done", Some("")).finished, None);
}

#[test]
fn another_attempts_marker_does_not_count() {
    for other in ["0a1b-10", "f0a1b-1", "0a1b-1-2", "x-0a1b-1"] {
        assert_eq!(Console::read(other, Some("0a1b-1")).finished, None, "{other}");
    }
}

#[test]
fn the_markers_line_does_not_hide_that_there_was_no_metadata() {
    let text = format!("{}\n0a1b-1\n", FINAL.replace("DataSourceOpenStackLocal", "DataSourceNone"));

    assert!(Console::read(&text, Some("0a1b-1")).no_datasource);
}

#[test]
fn failures_are_told_once_each_without_their_prefix_and_not_without_end() {
    let lines = [
        "2024-02-20 10:11:12,123 - util.py[WARNING]: Running module scripts-user (<module 'cc'>) failed",
        "[   9.1] cloud-init[812]: cc_scripts_user.py[WARNING]: Failed to run module scripts-user (scripts in /var)",
        "[\u{1b}[0;1;31mFAILED\u{1b}[0m] Failed to start \u{1b}[0;1;39mssh.service\u{1b}[0m - OpenBSD Secure Shell server.",
        "2024-02-20 10:11:12,124 - util.py[WARNING]: Running module scripts-user (<module 'cc'>) failed",
        "2024-02-20 10:11:12,123 - util.py[DEBUG]: Running module fine (<module 'cc'>)",
    ];

    let failures = Console::read(&lines.join("\r\n"), None).failures;

    let expected = [
        "Running module scripts-user (<module 'cc'>) failed",
        "Failed to run module scripts-user (scripts in /var)",
        "Failed to start ssh.service - OpenBSD Secure Shell server.",
    ];
    assert_eq!(failures, expected);
    let many: Vec<String> =
        (0..100).map(|n| format!("Failed to start unit{n}{}", "x".repeat(9999))).collect();
    let failures = Console::read(&many.join("\n"), None).failures;
    assert_eq!((failures.len(), failures[0].len()), (8, 240));
}

#[test]
fn a_tail_shows_no_colours_titles_or_bells() {
    let text = "\u{1b}]0;title\u{7}a\u{1b}[0;32mb\u{1b}[0m\u{1b}(Bc\u{7}\r\n\r\n\u{1b}]0;title\u{1b}\\d\te\u{9b}\u{1b}[";

    assert_eq!(Console::tail(text, 4096), "abc\nd e");
}

#[test]
fn a_tail_in_which_no_line_fits_is_empty() {
    assert_eq!(Console::tail(&"x".repeat(5000), 4096), "");
}

/// As a terminal of 80 columns leaves it.
fn wrapped(line: &str) -> String {
    let cells: Vec<char> = line.chars().collect();
    cells.chunks(80).map(|row| row.iter().collect::<String>()).collect::<Vec<_>>().join("\r\n")
}

proptest! {
    #[test]
    fn a_console_that_a_terminal_wrapped_tells_the_same(uptime in "[0-9]{1,9}\\.[0-9]{6}") {
        let prefix = format!("[{uptime:>12}] cloud-init[987]: ");
        let text = log().iter().map(|line| wrapped(&format!("{prefix}{line}"))).collect::<Vec<_>>().join("\r\n");

        let reading = Console::read(&text, None);

        let mut found: Vec<String> = reading.host_keys.iter().map(ToString::to_string).collect();
        found.sort();
        let mut expected = printed();
        expected.sort();
        prop_assert_eq!(found, expected);
        prop_assert_eq!(reading.finished, Some(Finished { sign: Sign::FinalMessage, line: FINAL.to_owned() }));
    }

    #[test]
    fn words_of_the_kernel_glued_to_the_block_hide_no_key(
        before in "(\\[ {0,3}[0-9]{1,4}\\.[0-9]{6}\\] [a-z ]{1,30})?", after in "(\\[ {0,3}[0-9]{1,4}\\.[0-9]{6}\\] [a-z ]{1,30})?",
        at in 0usize..5,
    ) {
        let mut lines = block(&[key("ecdsa-sha2-nistp256"), ED25519.to_owned(), key("ssh-rsa")]);
        lines[at] = format!("{before}{}{after}", lines[at]);

        prop_assert_eq!(keys_of(&lines.join("\r\n")), printed());
    }

    #[test]
    fn any_bytes_between_the_signs_of_cloud_init_are_read_without_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..300), at in 0usize..9,
    ) {
        let mut lines = log();
        let at = at.min(lines.len());
        lines.insert(at, String::from_utf8_lossy(&bytes).into_owned());

        prop_assert!(Console::read(&lines.join("\n"), Some("x")).finished.is_some());
    }
}

#[test]
fn a_final_message_of_the_users_own_hides_nothing() {
    let sign =
        |text: &str| Console::read(text, Some("testnode-0a1b-1")).finished.map(|finished| finished.sign);
    let keys = block(&printed()).join("\r\n");

    assert_eq!(sign(&format!("{STAGE}\r\n{keys}\r\nREADYTORUN\r\n")), Some(Sign::HostKeys));
    for ended in [
        "[  OK  ] Finished cloud-final.service - Execute cloud user/final scripts.",
        "[  OK  ] Finished Execute cloud user/final scripts.",
        "[   31.2] systemd[1]: Started Execute cloud user/final scripts.",
        "[  OK  ] Finished cloud-final.service - Cloud-init: Final Stage.",
        "[FAILED] Failed to start cloud-final.service - Execute cloud user/final scripts.",
        "[  OK  ] Reached target cloud-init.target - Cloud-init target.",
        "[\u{1b}[0;32m  OK  \u{1b}[0m] Reached target \u{1b}[0;1;39mCloud-init target\u{1b}[0m.",
    ] {
        assert_eq!(sign(&format!("{STAGE}\r\nREADYTORUN\r\n{ended}\r\n")), Some(Sign::FinalStage), "{ended}");
    }
    assert_eq!(sign(&format!("{STAGE}\r\nup after 31 seconds\r\ntestnode-0a1b-1")), Some(Sign::Marker));
    for begun in [
        "         Starting cloud-final.service - Execute cloud user/final scripts...",
        "[  OK  ] Reached target cloud-config.target - Cloud-config availability.",
        "[  OK  ] Finished cloud-config.service - Apply the settings specified in cloud-config.",
    ] {
        assert_eq!(sign(&format!("{STAGE}\r\n{begun}\r\n")), None, "{begun}");
    }
}

#[test]
fn a_guest_of_another_kind_that_is_up_is_told_from_one_that_still_boots() {
    let other = |text: &str| Console::read(text, None).no_cloud_init;

    assert!(other(
        "[  OK  ] Finished Ignition (mount).\r\nIgnition: ran on 2024/02/20 10:11:12 UTC (this boot)\r\n"
    ));
    assert!(other("Fedora CoreOS 39\r\nlocalhost login: "));
    assert!(other("=== cirros: current=0.6.2 uptime=8.10 ===\r\ncirros login: "));
    assert!(!other("[    0.000000] Linux version 6.1.0\r\n"));
    assert!(!other(&format!("{}\r\nsmithi001 login: ", STAGE.replace("final", "config"))));
    assert!(!other(""));
}

#[test]
fn what_quotes_user_data_is_told_without_the_quote() {
    let text = "2024-02-20 10:11:12,123 - __init__.py[WARNING]: Unhandled non-multipart (text/x-not-multipart) userdata: \
                'b'hunter2'...'";

    assert_eq!(
        Console::read(text, None).failures,
        ["Unhandled non-multipart (text/x-not-multipart) userdata"]
    );
}
