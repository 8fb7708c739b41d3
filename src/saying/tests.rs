use proptest::prelude::*;

use super::*;

#[test]
fn what_is_hidden_is_what_unicode_calls_control_and_format() {
    let hidden = regex::Regex::new(r"^[\p{Cc}\p{Cf}]$").unwrap();

    for c in '\0'..=char::MAX {
        assert_eq!(is_hidden(c), hidden.is_match(c.encode_utf8(&mut [0; 4])), "{c:?}");
    }
}

#[test]
fn foreign_text_becomes_fit_to_be_shown() {
    let encoded = "IyEvYmluL3NoCmVjaG8gaHVudGVyMgppbnN0YWxsIC1kIC9ldGMvc2VjcmV0cw==";
    let token = format!("gAAAAAB{}", "h_Zk-9".repeat(20));
    for (said, shown) in [
        ("No valid host was found. ", "No valid host was found."),
        ("two\r\nlines\u{85}and\u{2028}more", "two lines and more"),
        ("\u{1b}[31mred\u{1b}[0m \u{1b}]0;title\u{7}", "[31mred [0m ]0;title"),
        ("safe\u{202e}gnp.exe and zero\u{200b}width", "safegnp.exe and zerowidth"),
        (&format!("user_data. Value: {encoded}."), "user_data. Value: [64 characters]."),
        (&format!("b'{encoded}'"), "b'[64 characters]'"),
        (&format!("X-Auth-Token: {token}"), "X-Auth-Token: [127 characters]"),
        ("volume 8a3c5d53-9f0b-4a53-8a0f-0d2d0c1b5f11 of project 0123456789abcdef0123456789abcdef", ""),
        ("(request req-8a3c5d53-9f0b-4a53-8a0f-0d2d0c1b5f11)", ""),
        ("error for url (http://host/S3CRET-PATH/update?name=a&ip=b)", "error for url (http://host)"),
        ("https://me:hunter2@host:5000/v3: timed out", "https://host:5000: timed out"),
        ("https://me:hunter2@host", "https://host"),
        ("<a href=\"https://a/b\">https://c/d</a>", "<a href=\"https://a\">https://c</a>"),
        ("see https://docs/a, or ftp://b/c.", "see https://docs, or ftp://b."),
    ] {
        assert_eq!(&*Saying::new(said), if shown.is_empty() { said } else { shown });
    }
}

#[test]
fn a_long_text_is_cut_where_it_becomes_too_long() {
    let said = Saying::new(&"é b ".repeat(5000));

    assert!((LONGEST_MESSAGE - 2..=LONGEST_MESSAGE + 1).contains(&said.chars().count()));
    assert!(said.ends_with('…'));
    assert_eq!(Saying::name(&"n".repeat(255)).len(), 255);
}

#[test]
fn of_an_address_only_scheme_host_and_port_are_shown() {
    for (url, shown) in [
        ("https://keystone.example.org:5000/v3", "https://keystone.example.org:5000"),
        ("http://me:hunter2@[2001:db8::1]:80/S3CRET?token=x#y", "http://[2001:db8::1]"),
        ("me:hunter2@host", "an address that is no URL"),
        ("not at all", "an address that is no URL"),
    ] {
        let origin = Origin::of_text(url).to_string();

        assert!(origin == shown || origin.starts_with("me://"), "{origin}");
        assert!(!origin.contains("hunter2"), "{origin}");
    }
}

proptest! {
    /// Whatever comes, what is shown is one bounded line of visible characters, and showing it again changes nothing.
    #[test]
    fn nothing_hidden_encoded_or_long_is_shown(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let said = Saying::of_bytes(&bytes);

        prop_assert!(said.chars().count() <= LONGEST_MESSAGE + 1);
        prop_assert!(!said.chars().any(is_hidden), "{said:?}");
        let again = Saying::new(&said);
        prop_assert_eq!(again.trim_end_matches('…'), said.trim_end_matches('…'));
    }

    /// No secret of a URL is shown, wherever in a text it stands.
    #[test]
    fn no_password_path_or_query_of_a_url_is_shown(
        before in "[a-z (<\"]{0,20}",
        host in "[a-z]{1,10}(:[0-9]{2,4})?",
        path in "[/?#][A-Za-z0-9/&=%.]{0,20}",
        after in "[ ,.)>\"]{0,3}",
    ) {
        let said = Saying::new(&format!("{before}https://me:HUNTER2@{host}{path}QQSECRETQQ{after}"));

        prop_assert!(said.contains(&format!("https://{host}")), "{said}");
        prop_assert!(!said.contains("HUNTER2") && !said.contains("QQSECRETQQ"), "{said}");
    }
}
