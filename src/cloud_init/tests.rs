use proptest::prelude::*;

use super::*;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO0XaPr8Sq+T/3no50j2j2TUo45KYDx2APl2wFX9+sIS";

fn part(content: impl Into<Vec<u8>>) -> Part {
    Part { of: "userData of the TestNode".to_owned(), content: content.into() }
}

/// Takes a multipart message apart as RFC 2046 says: headers, then content, of each part.
fn parse(message: &[u8]) -> Vec<(String, Vec<u8>)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let find = |hay: &[u8], needle: &[u8]| hay.windows(needle.len()).position(|part| part == needle);
    let head = text(&message[..find(message, b"\n\n").unwrap()]);
    let boundary = head.split('"').nth(1).unwrap();
    let mut rest = &message[head.len() + 1..];
    let delimiter = format!("\n--{boundary}");
    let mut parts = Vec::new();
    loop {
        rest = &rest[find(rest, delimiter.as_bytes()).unwrap() + delimiter.len()..];
        if rest == b"--\n" {
            return parts;
        }
        assert_eq!(rest[0], b'\n');
        let section = &rest[1..find(rest, delimiter.as_bytes()).unwrap()];
        let blank = find(section, b"\n\n").unwrap();
        let (headers, mut body) = (text(&section[..blank]), section[blank + 2..].to_vec());
        if headers.contains("Content-Transfer-Encoding: base64") {
            body.retain(|b| *b != b'\n');
            body = BASE64_STANDARD.decode(body).unwrap();
        }
        parts.push((headers, body));
    }
}

fn contents() -> impl Strategy<Value = Vec<u8>> {
    let beginning =
        proptest::sample::select(KINDS.iter().map(|(beginning, _)| *beginning).collect::<Vec<_>>());
    // Boundaries of ours and of others, bare line ends, and bytes that are no text.
    let piece = prop_oneof![
        Just(b"\n--=====testnode-00000000=====".to_vec()),
        Just(b"=====testnode-00000001=====--\n".to_vec()),
        Just(b"\r\n\r".to_vec()),
        "[ -~]{0,90}\n?".prop_map(String::into_bytes),
        proptest::collection::vec(any::<u8>(), 0..20),
    ];
    (beginning, proptest::collection::vec(piece, 0..5))
        .prop_map(|(beginning, rest)| [beginning.as_bytes(), b"\n", &rest.concat()].concat())
}

proptest! {
    #[test]
    fn every_part_arrives_as_it_was_written_and_in_order(contents in proptest::collection::vec(contents(), 2..5)) {
        let parts: Vec<Part> = contents.iter().map(|content| part(content.clone())).collect();

        let message = user_data(&parts).unwrap().unwrap();

        let arrived: Vec<Vec<u8>> = parse(&message).into_iter().map(|(_, body)| body).collect();
        prop_assert_eq!(arrived, contents);
        prop_assert!(message.is_ascii());
        prop_assert_eq!(user_data(&parts).unwrap().unwrap(), message);
    }

    #[test]
    fn no_content_makes_it_panic(content in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = user_data(&[part(content.clone()), part(content)]);
    }

    #[test]
    fn what_nova_takes_is_exactly_what_is_let_through(excess in 0usize..9) {
        let content = vec![b'#'; LARGEST / 4 * 3 - 4 + excess];
        let content = [b"#!".as_slice(), &content[2..]].concat();

        let data = user_data(&[part(content.clone())]);

        let size = BASE64_STANDARD.encode(&content).len();
        match data {
            Ok(Some(data)) => prop_assert!(size <= LARGEST && data == content),
            other => prop_assert_eq!(other, Err(Error::TooLarge { size })),
        }
    }
}

#[test]
fn nothing_to_say_is_no_user_data() {
    assert_eq!(user_data(&[]), Ok(None));
    assert_eq!(user_data(&[part(" \n")]), Ok(None));
    assert_eq!(OurConfig::default().part(), None);
}

#[test]
fn one_script_alone_stays_a_script() {
    let script = "#!/bin/sh\necho grüß\n";

    assert_eq!(user_data(&[part(script), part("")]), Ok(Some(script.into())));
}

#[test]
fn a_lone_part_that_speaks_of_mime_is_wrapped_so_that_it_is_not_taken_for_mime() {
    let script = "#!/bin/sh\necho MIME-Version: 1.0\n";

    let message = user_data(&[part(script)]).unwrap().unwrap();

    assert_eq!(parse(&message)[0].1, script.as_bytes());
}

#[test]
fn every_kind_has_its_own_content_type() {
    for (first, content_type) in [
        ("#cloud-config", "text/cloud-config;"),
        ("#cloud-config-archive", "text/cloud-config-archive;"),
        ("#!/bin/bash -e", "text/x-shellscript;"),
        ("#include https://example.test/a", "text/x-include-url;"),
        ("#include-once", "text/x-include-once-url;"),
        ("#cloud-boothook", "text/cloud-boothook;"),
        ("## template: jinja", "text/jinja2;"),
        ("#part-handler", "text/part-handler;"),
        ("#cloud-config\r", "text/cloud-config;"),
    ] {
        let message = user_data(&[part(format!("{first}\n")), part("#!")]).unwrap().unwrap();

        let headers = parse(&message)[0].0.clone();
        assert!(headers.starts_with(&format!("Content-Type: {content_type}")), "{first}: {headers}");
    }
}

#[test]
fn every_cloud_config_says_that_lists_append_and_the_first_name_stays() {
    let parts =
        [part("#cloud-config\na: 1\n"), part("## template: jinja\n#cloud-config\n"), part("#!/bin/sh")];

    let merges: Vec<bool> = parse(&user_data(&parts).unwrap().unwrap())
        .iter()
        .map(|(headers, _)| {
            headers.contains("\nMerge-Type: list(append)+dict(no_replace,recurse_list)+str()")
        })
        .collect();

    assert_eq!(merges, [true, true, false]);
}

#[test]
fn a_mime_message_is_nested_with_its_own_headers() {
    let nested =
        "Content-Type: multipart/mixed; boundary=\"b\"\nMIME-Version: 1.0\n\n--b\n\n#!/bin/sh\n--b--\n";

    let message = user_data(&[part("#cloud-config\n"), part(nested)]).unwrap().unwrap();

    let (headers, body) = parse(&message)[1].clone();
    assert_eq!([headers.as_bytes(), b"\n\n", &body].concat(), nested.as_bytes());
}

#[test]
fn a_mime_message_that_is_not_ascii_is_refused_with_the_cure() {
    let refusal = user_data(&[part("MIME-Version: 1.0\n\ngrüß"), part("#!")]).unwrap_err();

    assert!(refusal.to_string().contains("encode its parts in base64"), "{refusal}");
}

#[test]
fn what_cloud_init_would_ignore_is_refused_with_what_is_accepted() {
    let refusal = user_data(&[part("packages: [git]\n"), part("#!")]).unwrap_err().to_string();

    assert!(refusal.starts_with("userData of the TestNode must begin with one of"), "{refusal}");
    assert!(refusal.contains("#cloud-config") && refusal.contains("\"packages: [git]\""), "{refusal}");
}

#[test]
fn too_much_user_data_says_by_how_much() {
    let refusal = user_data(&[part(format!("#!{}", "x".repeat(60_000)))]).unwrap_err().to_string();

    assert!(refusal.contains("80004 bytes in base64, 14469 more than the 65535"), "{refusal}");
}

#[test]
fn our_config_is_json_that_yaml_reads_the_same() {
    let keys = ssh_keys(&[format!("{KEY} me@home")]).unwrap();
    let ours = OurConfig {
        hostname: Some("smithi001".to_owned()),
        fqdn: Some("smithi001.front.example.test".to_owned()),
        ssh_authorized_keys: keys,
        marker: Some("0a1b-1".to_owned()),
    };

    let part = ours.part().unwrap();

    let text = String::from_utf8(part.content).unwrap();
    let config: Value = serde_saphyr::from_str(&text).unwrap();
    assert!(text.starts_with("#cloud-config\n"));
    assert_eq!(config["hostname"], "smithi001");
    assert_eq!(config["fqdn"], "smithi001.front.example.test");
    assert_eq!(config["ssh_authorized_keys"], serde_json::json!([KEY]));
    let message = config["final_message"].as_str().unwrap();
    assert!(message.starts_with("## template: jinja\n") && message.ends_with("\n0a1b-1"), "{message}");
}

#[test]
fn a_key_that_would_let_nobody_in_is_refused_with_its_place() {
    let cut = KEY.strip_suffix("sIS").unwrap().to_owned();

    let refusal = ssh_keys(&[KEY.to_owned(), cut]).unwrap_err().to_string();

    assert!(refusal.starts_with("SSH key 1 must be one line"), "{refusal}");
}
