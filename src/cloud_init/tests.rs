use proptest::prelude::*;

use super::*;

mod field;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO0XaPr8Sq+T/3no50j2j2TUo45KYDx2APl2wFX9+sIS";

fn part(content: impl Into<Vec<u8>>) -> Part {
    Part { of: "userData of the TestNode".to_owned(), content: content.into() }
}

fn no_config() -> OurConfig {
    OurConfig::default()
}

fn keys() -> Keys {
    Keys { of: "spec.sshAuthorizedKeys".to_owned(), keys: ssh_keys(&[KEY.to_owned()]).unwrap() }
}

fn our_config() -> OurConfig {
    OurConfig {
        hostname: Some("smithi001".to_owned()),
        fqdn: Some("smithi001.front.example.test".to_owned()),
        ssh_authorized_keys: vec![keys()],
        marker: Some("testnode-0a1b-1".to_owned()),
    }
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

        let message = user_data(&no_config(), &parts).unwrap().unwrap();

        let arrived: Vec<Vec<u8>> = parse(&message).into_iter().map(|(_, body)| body).collect();
        prop_assert_eq!(arrived, contents);
        prop_assert!(message.is_ascii());
        prop_assert_eq!(user_data(&no_config(), &parts).unwrap().unwrap(), message);
    }

    #[test]
    fn a_part_that_is_the_only_one_is_not_touched_whatever_it_is(content in proptest::collection::vec(any::<u8>(), 1..200)) {
        prop_assume!(!content.trim_ascii().is_empty());
        let ours = OurConfig { ssh_authorized_keys: Vec::new(), ..our_config() };

        let data = user_data(&ours, &[part(" \n"), part(content.clone())]);

        prop_assert_eq!(data, Ok(Some(content)));
    }

    /// Nothing is dropped in silence: a part is in what the guest gets, or the refusal names it and what it meets.
    #[test]
    fn a_part_that_is_combined_arrives_or_both_sides_are_named(
        content in prop_oneof![proptest::collection::vec(any::<u8>(), 1..200), contents()],
    ) {
        prop_assume!(!content.trim_ascii().is_empty() && !is_mime(&content));

        match user_data(&our_config(), &[part(content.clone())]) {
            Ok(message) => {
                let arrived = parse(&message.unwrap());
                prop_assert_eq!(arrived.len(), 3);
                prop_assert_eq!(&arrived[1].1, &content);
            }
            Err(error) => {
                let message = error.to_string();
                prop_assert!(message.contains("userData of the TestNode is "), "{}", message);
                prop_assert!(message.contains("but spec.sshAuthorizedKeys would have to"), "{}", message);
            }
        }
    }

    #[test]
    fn no_refusal_quotes_what_it_refuses(secret in "[a-z0-9]{8,40}") {
        let contents = [secret.clone(), format!("{{{secret}"), format!("MIME-Version: 1.0\n\n{secret}ü"), secret.repeat(9000)];

        for content in contents {
            let refusal = user_data(&our_config(), &[part(content)]).unwrap_err().to_string();
            prop_assert!(!refusal.contains(&secret), "{}", refusal);
        }
    }

    #[test]
    fn no_content_makes_it_panic(content in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = user_data(&our_config(), &[part(content.clone()), part(content)]);
    }

    #[test]
    fn what_nova_takes_is_exactly_what_is_let_through(excess in 0usize..9) {
        let content = vec![b'#'; LARGEST / 4 * 3 - 4 + excess];

        let data = user_data(&no_config(), &[part(content.clone())]);

        let size = BASE64_STANDARD.encode(&content).len();
        match data {
            Ok(Some(data)) => prop_assert!(size <= LARGEST && data == content),
            other => {
                let of = vec!["userData of the TestNode".to_owned()];
                prop_assert_eq!(other, Err(Error::TooLarge { of, size }));
            }
        }
    }
}

#[test]
fn nothing_to_say_is_no_user_data() {
    assert_eq!(user_data(&no_config(), &[]), Ok(None));
    assert_eq!(user_data(&no_config(), &[part(" \n")]), Ok(None));
}

#[test]
fn a_lone_part_that_speaks_of_mime_is_wrapped_so_that_it_is_not_taken_for_mime() {
    let script = "#!/bin/sh\necho MIME-Version: 1.0\n";

    let message = user_data(&no_config(), &[part(script)]).unwrap().unwrap();

    assert_eq!(parse(&message)[0].1, script.as_bytes());
}

#[test]
fn every_kind_has_its_own_content_type() {
    for (first, content_type) in [
        ("#cloud-config", "text/cloud-config;"),
        ("\n \n#cloud-config", "text/cloud-config;"),
        ("#Cloud-Config", "text/cloud-config;"),
        ("#cloud-config-archive", "text/cloud-config-archive;"),
        ("#!/bin/bash -e", "text/x-shellscript;"),
        ("#include https://example.test/a", "text/x-include-url;"),
        ("#include-once", "text/x-include-once-url;"),
        ("#cloud-boothook", "text/cloud-boothook;"),
        ("## template: jinja", "text/jinja2;"),
        ("#part-handler", "text/part-handler;"),
        ("#cloud-config\r", "text/cloud-config;"),
    ] {
        let message = user_data(&no_config(), &[part(format!("{first}\n")), part("#!")]).unwrap().unwrap();

        let headers = parse(&message)[0].0.clone();
        assert!(headers.starts_with(&format!("Content-Type: {content_type}")), "{first}: {headers}");
    }
}

#[test]
fn every_cloud_config_says_that_lists_append_and_the_first_name_stays() {
    let parts =
        [part("#cloud-config\na: 1\n"), part("## template: jinja\n#cloud-config\n"), part("#!/bin/sh")];

    let merges: Vec<bool> = parse(&user_data(&no_config(), &parts).unwrap().unwrap())
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

    let message = user_data(&no_config(), &[part("#cloud-config\n"), part(nested)]).unwrap().unwrap();

    let (headers, body) = parse(&message)[1].clone();
    assert_eq!([headers.as_bytes(), b"\n\n", &body].concat(), nested.as_bytes());
}

#[test]
fn a_refusal_names_every_side_and_what_can_be_combined() {
    let lab = |content: &str| Part { of: "cloudInit of MachineType ovh".to_owned(), content: content.into() };

    let refusal = user_data(&our_config(), &[part("{\"ignition\": {}}"), lab("#cloud-config\n")]);

    assert_eq!(
        refusal.unwrap_err().to_string(),
        "userData of the TestNode is JSON, as Ignition reads it, which a machine can be given only alone, but cloudInit of \
         MachineType ovh, spec.sshAuthorizedKeys would have to be combined with it; remove one or the other, or rewrite \
         userData of the TestNode: what begins with one of #cloud-config-archive, #cloud-config-jsonp, #cloud-config, \
         #cloud-boothook, #include-once, #include, #part-handler, ## template: jinja, #!, and a MIME message in ASCII, can be \
         combined"
    );
}

#[test]
fn too_much_user_data_says_whose_and_by_how_much() {
    let refusal =
        user_data(&no_config(), &[part(format!("#!{}", "x".repeat(60_000)))]).unwrap_err().to_string();

    assert!(
        refusal.contains("user data (userData of the TestNode) is 80004 bytes in base64, 14469 more"),
        "{refusal}"
    );
}

#[test]
fn our_config_is_json_that_yaml_reads_the_same() {
    let alone = user_data(&our_config(), &[]).unwrap().unwrap();

    let text = String::from_utf8(alone).unwrap();
    let config: Value = serde_saphyr::from_str(&text).unwrap();
    assert!(text.starts_with("#cloud-config\n"));
    assert_eq!(config["hostname"], "smithi001");
    assert_eq!(config["fqdn"], "smithi001.front.example.test");
    assert_eq!(config["ssh_authorized_keys"], serde_json::json!([KEY]));
    let message = config["final_message"].as_str().unwrap();
    assert!(
        message.starts_with("## template: jinja\n") && message.ends_with("\ntestnode-0a1b-1"),
        "{message}"
    );
}

#[test]
fn a_final_message_of_somebody_else_is_kept_because_ours_comes_last() {
    let theirs = part("#cloud-config\nfinal_message: READYTORUN\n");

    let sections = parse(&user_data(&our_config(), &[theirs]).unwrap().unwrap());

    let said: Vec<bool> =
        sections.iter().map(|(_, body)| String::from_utf8_lossy(body).contains("final_message")).collect();
    assert_eq!(said, [false, true, true]);
    assert!(sections[2].0.contains("no_replace"), "{}", sections[2].0);
}

#[test]
fn a_key_that_would_let_nobody_in_is_refused_with_its_place() {
    let cut = KEY.strip_suffix("sIS").unwrap().to_owned();

    let refusal = ssh_keys(&[KEY.to_owned(), cut]).unwrap_err().to_string();

    assert!(refusal.starts_with("SSH key 1 must be one line"), "{refusal}");
}
