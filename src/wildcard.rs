//! Texts with `*` in them, where a regular expression would be more than is wanted.

/// Whether the whole of a text is as a pattern says, in which `*` is any characters, or none.
#[must_use]
pub fn fits(pattern: &str, text: &str) -> bool {
    let mut parts: Vec<&str> = pattern.split('*').collect();
    let Some(last) = parts.pop() else { return false };
    let [first, between @ ..] = parts.as_slice() else { return text == last };
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    for part in between {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_characters_and_the_whole_text_must_fit() {
        for (pattern, text) in [
            ("alice@desk", "alice@desk"),
            ("*@desk", "bob@desk"),
            ("*", ""),
            ("*", "a"),
            ("a*", "a"),
            ("*a", "ba"),
            ("a*b", "ab"),
            ("a*b*c", "axbxc"),
            ("a**c", "abc"),
            ("ü*", "ürx"),
        ] {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("alice@desk", "alice@desk2"),
            ("", "a"),
            ("a*", "ba"),
            ("*a", "ab"),
            ("a*a", "a"),
            ("a*b*c", "ac"),
        ] {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
    }
}
