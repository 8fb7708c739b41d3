//! Lists of sums, as `SHA256SUMS`: which digest a file has, in every form that publishers use.

use std::cmp::Ordering;

use super::state::Trouble;
use crate::reason::Reason;
use crate::saying::Saying;
use crate::wildcard;

/// The most bytes of a list that are read.
pub const LONGEST: usize = 1 << 20;
/// At most so many names are shown where the one that is wanted is not there.
const SHOWN: usize = 5;

/// A file in a list, and its digest as `sha256:…`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sum {
    /// Its name, without directories. Empty for a digest that stands alone.
    pub name: String,
    /// Its digest.
    pub digest: String,
}

/// All sums of a list that are SHA-256 or SHA-512. Lines that are something else are left out: comments, signatures, MD5.
#[must_use]
pub fn read(list: &str) -> Vec<Sum> {
    list.lines().filter_map(line).collect()
}

fn line(line: &str) -> Option<Sum> {
    let line = line.trim();
    if let Some(sum) = tagged(line) {
        return Some(sum);
    }
    let (hex, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let digest = digest(hex)?;
    let rest = rest.trim_start();
    let name = base(rest.strip_prefix('*').unwrap_or(rest));
    Some(Sum { name: name.to_owned(), digest })
}

/// `SHA256 (NAME) = HEX`, as BSD writes it.
fn tagged(line: &str) -> Option<Sum> {
    let (algorithm, rest) = line.split_once(" (")?;
    let (name, hex) = rest.rsplit_once(") = ")?;
    let digest = digest(hex.trim())?;
    let agrees = match algorithm {
        "SHA256" => digest.starts_with("sha256:"),
        "SHA512" => digest.starts_with("sha512:"),
        _ => false,
    };
    agrees.then(|| Sum { name: base(name).to_owned(), digest })
}

/// Hexadecimal digits of one of the two lengths, with the name of their algorithm.
fn digest(hex: &str) -> Option<String> {
    let algorithm = match hex.len() {
        64 => "sha256",
        128 => "sha512",
        _ => return None,
    };
    let is_hex = hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| format!("{algorithm}:{}", hex.to_ascii_lowercase()))
}

/// A name without its directories.
fn base(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// The file that is wanted: its name, and its digest. `wanted` is the last part of the URL's path; a `*` in it stands for any
/// text, and of several names that match, the greatest is taken.
///
/// # Errors
/// `ChecksumNotFound` or `ChecksumAmbiguous`.
pub fn find(list: &[Sum], wanted: &str) -> Result<Sum, Trouble> {
    let alone = list.len() == 1 && list.iter().all(|sum| sum.name.is_empty()) && !wanted.contains('*');
    let fits = |sum: &&Sum| alone || (!sum.name.is_empty() && wildcard::fits(wanted, &sum.name));
    let greatest = list.iter().filter(fits).max_by(|a, b| order(&a.name, &b.name));
    let Some(greatest) = greatest else { return Err(not_found(list, wanted)) };
    let of_it = || list.iter().filter(|sum| sum.name == greatest.name);
    // SHA-512 before SHA-256.
    let strongest = if of_it().any(|sum| sum.digest.starts_with("sha512:")) { "sha512:" } else { "sha256:" };
    let mut digests: Vec<&str> =
        of_it().map(|sum| sum.digest.as_str()).filter(|digest| digest.starts_with(strongest)).collect();
    digests.sort_unstable();
    digests.dedup();
    match digests.as_slice() {
        [digest] => {
            let name = if alone { wanted.to_owned() } else { greatest.name.clone() };
            Ok(Sum { name, digest: (*digest).to_owned() })
        }
        _ => Err(Trouble::new(
            Reason::ChecksumAmbiguous,
            format!(
                "the list of sums has {} different sums for {}; ask its publisher, or give source.url.checksum",
                digests.len(),
                Saying::name(&greatest.name)
            ),
        )),
    }
}

/// As people order names: digits are compared as numbers.
fn order(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a, b);
    loop {
        let (of_a, of_b) = (digits(a), digits(b));
        if of_a > 0 && of_b > 0 {
            let (number_a, rest_a) = a.split_at(of_a);
            let (number_b, rest_b) = b.split_at(of_b);
            let (plain_a, plain_b) = (number_a.trim_start_matches('0'), number_b.trim_start_matches('0'));
            let numbers = plain_a.len().cmp(&plain_b.len()).then_with(|| plain_a.cmp(plain_b));
            if numbers != Ordering::Equal {
                return numbers;
            }
            (a, b) = (rest_a, rest_b);
            continue;
        }
        let (mut chars_a, mut chars_b) = (a.chars(), b.chars());
        match (chars_a.next(), chars_b.next()) {
            (Some(one), Some(other)) if one == other => (a, b) = (chars_a.as_str(), chars_b.as_str()),
            (one, other) => return one.cmp(&other),
        }
    }
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

fn not_found(list: &[Sum], wanted: &str) -> Trouble {
    let begins = wanted.split(['*', '.', '-']).next().unwrap_or_default();
    let mut names: Vec<String> =
        list.iter().filter(|sum| !sum.name.is_empty()).map(|sum| Saying::name(&sum.name)).collect();
    names.sort_by_key(|name| (!name.starts_with(begins), name.clone()));
    names.dedup();
    names.truncate(SHOWN);
    let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    Trouble::new(
        Reason::ChecksumNotFound,
        format!(
            "the list of sums has no SHA-256 or SHA-512 of {}; it has: {names}; correct source.url.url or checksumURL",
            Saying::name(wanted)
        ),
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(digit: &str) -> String {
        digit.repeat(64)
    }

    fn found(list: &str, wanted: &str) -> Result<(String, String), Reason> {
        find(&read(list), wanted).map(|sum| (sum.name, sum.digest)).map_err(|trouble| trouble.reason)
    }

    #[test]
    fn every_form_of_a_list_is_read() {
        let (a, long) = (hex("a"), "b".repeat(128));
        let is = Ok(("disk.img".to_owned(), format!("sha256:{a}")));

        assert_eq!(found(&format!("{a}  disk.img\n"), "disk.img"), is);
        assert_eq!(found(&format!("{a} *disk.img\r\n"), "disk.img"), is);
        assert_eq!(found(&format!("{a}  ./images/disk.img\n"), "disk.img"), is);
        assert_eq!(found(&format!("SHA256 (disk.img) = {a}\n"), "disk.img"), is);
        assert_eq!(found(&a.to_uppercase(), "disk.img"), is, "a digest that stands alone");
        let both = format!("-----BEGIN PGP\nHash: SHA256\n{a}  disk.img\n{long}  disk.img\n");
        assert_eq!(found(&both, "disk.img"), Ok(("disk.img".into(), format!("sha512:{long}"))));
    }

    #[test]
    fn a_file_is_found_by_its_whole_name_only() {
        let list = format!(
            "{}  disk.img.old\n{}  my-disk.img\n{}  disk.img.md5",
            hex("a"),
            hex("b"),
            "c".repeat(32)
        );

        assert_eq!(found(&list, "disk.img"), Err(Reason::ChecksumNotFound));
        assert_eq!(found("", "disk.img"), Err(Reason::ChecksumNotFound));
        let two = format!("{}\n{}\n", hex("a"), hex("b"));
        assert_eq!(found(&two, "disk.img"), Err(Reason::ChecksumNotFound), "two that stand alone");
    }

    #[test]
    fn two_sums_of_one_name_are_told_and_the_same_one_twice_is_one() {
        let list = |other: &str| format!("{}  disk.img\n{other}  disk.img\n", hex("a"));

        assert_eq!(found(&list(&hex("b")), "disk.img"), Err(Reason::ChecksumAmbiguous));
        assert!(found(&list(&hex("a")), "disk.img").is_ok());
    }

    #[test]
    fn of_the_names_that_a_star_matches_the_greatest_is_taken_and_digits_are_numbers() {
        let line = |digit: &str, name: &str| format!("SHA256 (CentOS-9-{name}.qcow2) = {}\n", hex(digit));
        let list = [line("a", "20260901.0"), line("b", "20261102.9"), line("c", "20261102.10")].concat();

        let name = found(&list, "CentOS-9-*.qcow2").unwrap();
        assert_eq!(name, ("CentOS-9-20261102.10.qcow2".into(), format!("sha256:{}", hex("c"))));
        assert_eq!(found(&list, "CentOS-10-*.qcow2"), Err(Reason::ChecksumNotFound));
    }

    #[test]
    fn where_a_name_is_missing_the_nearest_are_told() {
        let list = format!("{}  ubuntu-24.04.img\n{}  alma-9.qcow2\n", hex("a"), hex("b"));

        let said = find(&read(&list), "ubuntu-22.04.img").unwrap_err().message;

        assert!(said.contains("it has: ubuntu-24.04.img, alma-9.qcow2"), "{said}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000), name in "[a-z*.0-9-]{1,20}") {
            let list = read(&String::from_utf8_lossy(&bytes));
            drop(find(&list, &name));
        }

        #[test]
        fn what_is_found_is_a_digest_and_stands_in_the_list(
            lines in proptest::collection::vec(("[ab]{64}|[ab]{63}", "[ *]{1,2}", "[xy./0-9]{0,6}"), 0..8), name in "[xy.*0-9]{1,4}"
        ) {
            let lines: Vec<String> = lines.iter().map(|(hex, gap, name)| format!("{hex}{gap}{name}")).collect();
            let text = lines.join("\n");
            if let Ok(sum) = find(&read(&text), &name) {
                prop_assert_eq!(sum.digest.len(), "sha256:".len() + 64);
                prop_assert!(text.contains(sum.digest.trim_start_matches("sha256:")));
            }
        }

        #[test]
        fn the_order_of_names_is_one_order(a in "[a1-3]{0,4}", b in "[a1-3]{0,4}", c in "[a1-3]{0,4}") {
            prop_assert_eq!(order(&a, &b), order(&b, &a).reverse());
            if order(&a, &b).is_le() && order(&b, &c).is_le() {
                prop_assert!(order(&a, &c).is_le());
            }
        }
    }
}
