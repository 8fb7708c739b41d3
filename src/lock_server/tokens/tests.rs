//! Who is let in, and for whom.

use super::*;

const FILE: &str = "# the lab\nalice   0123456789abcdef0 alice@* scheduled_alice@*  # a person\n\nqueue fedcba9876543210 scheduled_*\n";

fn header(text: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(text))
}

#[test]
fn a_token_speaks_for_the_owners_of_its_line_and_no_other() {
    let tokens = parse(FILE).unwrap();

    assert!(tokens[0].may_be("alice@desk") && tokens[0].may_be("scheduled_alice@vm"));
    assert!(!tokens[0].may_be("bob@desk") && !tokens[0].may_be("malice@desk"));
    assert!(tokens[1].may_be("scheduled_bob@vm") && !tokens[1].may_be("alice@desk"));
}

#[test]
fn name_and_token_must_both_be_right() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tokens");
    std::fs::write(&file, FILE).unwrap();
    let tokens = Tokens::of(&file);
    let holder = |text: &str| tokens.holder(Some(&header(text))).map(|token| token.name().to_owned());

    assert_eq!(holder("alice:0123456789abcdef0").as_deref(), Some("alice"));
    assert_eq!(holder("alice:fedcba9876543210"), None);
    assert_eq!(holder("bob:0123456789abcdef0"), None);
    assert_eq!(tokens.holder(None), None);
    assert_eq!(tokens.holder(Some("Bearer 0123456789abcdef0")), None);
}

#[test]
fn a_file_that_is_not_there_lets_nobody_in() {
    assert_eq!(Tokens::of(Path::new("/no/such/file")).holder(Some(&header("a:b"))), None);
}

#[test]
fn what_is_wrong_is_said_without_the_token() {
    for text in ["alice", "alice 0123456789abcdef0", "alice secret alice@*"] {
        let said = parse(text).unwrap_err();
        assert!(said.contains("line 1") && !said.contains("secret") && !said.contains("0123"), "{said}");
    }
}
