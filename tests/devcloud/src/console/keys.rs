//! Host keys: the same for a server on every run, and well formed.

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use ring::digest::{SHA256, digest};

use crate::{
    sshd,
    world::{ids::bytes, server::Server},
};

struct Key {
    kind: &'static str,
    bits: u32,
    label: &'static str,
    blob: Vec<u8>,
}

/// The lines of cloud-init's module `keys-to-console`, with a line of the kernel in the midst of the keys.
pub(crate) fn block(server: &Server, syslog: &str, kernel: &str) -> Vec<String> {
    let keys = keys(server);
    let host = &server.hostname;
    let logged = |text: &str| format!("<14>{syslog} cloud-init: {text}");
    let rule = logged(&"#".repeat(61));
    let mut lines = vec![rule.clone(), logged("-----BEGIN SSH HOST KEY FINGERPRINTS-----")];
    for key in &keys {
        let print = STANDARD_NO_PAD.encode(digest(&SHA256, &key.blob));
        lines.push(logged(&format!("{} SHA256:{print} root@{host} ({})", key.bits, key.label)));
    }
    lines.extend([logged("-----END SSH HOST KEY FINGERPRINTS-----"), rule]);
    lines.push("-----BEGIN SSH HOST KEY KEYS-----".into());
    for (at, key) in keys.iter().enumerate() {
        if at == 1 {
            lines.push(kernel.into());
        }
        lines.push(format!("{} {} root@{host}", key.kind, STANDARD.encode(&key.blob)));
    }
    lines.push("-----END SSH HOST KEY KEYS-----".into());
    lines
}

fn keys(server: &Server) -> [Key; 3] {
    let seed = format!("{}/{}", server.id, server.rebuilds);
    let random = |kind: &str, count| bytes(&format!("{seed}/{kind}"), count);
    let mut point = vec![4];
    point.extend(random("ecdsa", 64));
    let mut modulus = vec![0, 0xc0];
    modulus.extend(random("rsa", 383));
    let ecdsa: [&[u8]; 3] = [b"ecdsa-sha2-nistp256", b"nistp256", &point];
    let ed25519: [&[u8]; 2] = [b"ssh-ed25519", &sshd::public(&sshd::seed(server))];
    let rsa: [&[u8]; 3] = [b"ssh-rsa", &[1, 0, 1], &modulus];
    [
        Key { kind: "ecdsa-sha2-nistp256", bits: 256, label: "ECDSA", blob: blob(&ecdsa) },
        Key { kind: "ssh-ed25519", bits: 256, label: "ED25519", blob: blob(&ed25519) },
        Key { kind: "ssh-rsa", bits: 3072, label: "RSA", blob: blob(&rsa) },
    ]
}

/// Fields, each after its length.
fn blob(fields: &[&[u8]]) -> Vec<u8> {
    let mut blob = Vec::new();
    for field in fields {
        blob.extend(u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
        blob.extend(*field);
    }
    blob
}
