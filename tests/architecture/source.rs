//! The sources as tokens: which modules there are, what each imports, which words and field names it uses.
//!
//! Comments are no tokens, and what stands under `#[cfg(test)]` is left out: test code may import what it likes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A module's path below the crate, as `reconcile::plan`; the crate itself is empty.
pub type ModulePath = Vec<String>;

/// One source file.
pub struct Module {
    pub path: ModulePath,
    pub file: PathBuf,
    /// Everything of this crate that it names: module paths, with what is named in them.
    pub imports: BTreeSet<ModulePath>,
    /// Names that it re-exports, and where they come from.
    pub exports: BTreeMap<String, ModulePath>,
    /// Every word in it: identifiers, and `::now` for a path that ends so.
    pub words: BTreeSet<String>,
    /// What it derives.
    pub derives: BTreeSet<String>,
    /// Field names in `json!` and in serde's `rename` and `alias`.
    pub fields: BTreeSet<String>,
    /// Whole string literals.
    pub texts: BTreeSet<String>,
}

/// Every module of the crate, found as the compiler finds them: from `mod` to `mod`.
pub fn crate_at(root: &Path) -> Vec<Module> {
    let mut modules = Vec::new();
    follow(root, &root.join("lib.rs"), &[], &mut modules);
    let program = std::fs::read_to_string(root.join("main.rs")).unwrap();
    modules.push(read(vec!["main".to_owned()], Path::new("main.rs"), &program).0);
    modules
}

fn follow(root: &Path, file: &Path, path: &[String], modules: &mut Vec<Module>) {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let (module, children) = read(path.to_vec(), file.strip_prefix(root).unwrap(), &text);
    modules.push(module);
    for child in children {
        let path: ModulePath = path.iter().cloned().chain([child]).collect();
        follow(root, &root.join(path.join("/")).with_extension("rs"), &path, modules);
    }
}

/// Reads one file; returns it and the modules that are declared in it.
pub fn read(path: ModulePath, file: &Path, text: &str) -> (Module, Vec<String>) {
    let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let tokens = without_tests(tokens);
    let children = declared(&tokens);
    let mut module = Module {
        path,
        file: file.to_owned(),
        imports: BTreeSet::new(),
        exports: BTreeMap::new(),
        words: BTreeSet::new(),
        derives: BTreeSet::new(),
        fields: BTreeSet::new(),
        texts: BTreeSet::new(),
    };
    module.walk(&tokens, &children);
    (module, children)
}

fn is_ident(token: Option<&TokenTree>, word: &str) -> bool {
    matches!(token, Some(TokenTree::Ident(ident)) if *ident == word)
}

fn is_punct(token: Option<&TokenTree>, sign: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == sign)
}

fn inside(token: Option<&TokenTree>, delimiter: Delimiter) -> Option<Vec<TokenTree>> {
    match token {
        Some(TokenTree::Group(group)) if group.delimiter() == delimiter => {
            Some(group.stream().into_iter().collect())
        }
        _ => None,
    }
}

/// Drops every item under `#[cfg(test)]`, at the top of a file and in its inline modules.
fn without_tests(tokens: TokenStream) -> Vec<TokenTree> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let (mut kept, mut at) = (Vec::new(), 0);
    while at < tokens.len() {
        let attribute =
            inside(tokens.get(at + 1), Delimiter::Bracket).filter(|_| is_punct(tokens.get(at), '#'));
        let is_test = attribute.is_some_and(|attribute| {
            is_ident(attribute.first(), "cfg")
                && inside(attribute.get(1), Delimiter::Parenthesis)
                    .is_some_and(|inner| inner.len() == 1 && is_ident(inner.first(), "test"))
        });
        if !is_test {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        at += 2;
        // To the end of the item: its body, or its semicolon.
        while at < tokens.len()
            && !is_punct(tokens.get(at), ';')
            && inside(tokens.get(at), Delimiter::Brace).is_none()
        {
            at += 1;
        }
        at += 1;
        if is_punct(tokens.get(at), ';') {
            at += 1;
        }
    }
    kept
}

/// Whether `pub` or `pub(…)` stands at the end of these tokens.
fn is_public(before: &[TokenTree]) -> bool {
    let last = match before.split_last() {
        Some((last, rest)) if inside(Some(last), Delimiter::Parenthesis).is_some() => rest.last(),
        Some((last, _)) => Some(last),
        None => None,
    };
    is_ident(last, "pub")
}

/// `mod x;`
fn declared(tokens: &[TokenTree]) -> Vec<String> {
    let three = tokens.windows(3);
    let module = three.filter(|three| is_ident(three.first(), "mod") && is_punct(three.get(2), ';'));
    module.map(|three| three[1].to_string()).collect()
}

fn text_of(token: &TokenTree) -> Option<String> {
    let literal = matches!(token, TokenTree::Literal(_)).then(|| token.to_string())?;
    Some(literal.strip_prefix('"')?.strip_suffix('"')?.to_owned())
}

impl Module {
    fn walk(&mut self, tokens: &[TokenTree], children: &[String]) {
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            let next = tokens.get(at + 1);
            match token {
                // Who may see an item is no import.
                TokenTree::Ident(word)
                    if *word == "pub" && inside(next, Delimiter::Parenthesis).is_some() =>
                {
                    at += 1;
                }
                TokenTree::Ident(word) if *word == "use" && is_public(&tokens[..at]) => {
                    self.export(&tokens[at + 1..], children);
                }
                TokenTree::Ident(word) => {
                    self.words.insert(word.to_string());
                    let begins = !is_punct(at.checked_sub(1).and_then(|before| tokens.get(before)), ':');
                    if begins && is_punct(next, ':') && is_punct(tokens.get(at + 2), ':') {
                        self.path_at(&tokens[at..], children);
                    }
                    if !begins && *word == "now" {
                        self.words.insert("::now".into());
                    }
                    if *word == "json" && is_punct(next, '!') {
                        self.json(tokens.get(at + 2));
                    }
                    if *word == "derive" {
                        let derived = inside(next, Delimiter::Parenthesis).unwrap_or_default();
                        self.derives.extend(derived.iter().map(ToString::to_string));
                    }
                    if (*word == "rename" || *word == "alias") && is_punct(next, '=') {
                        self.fields.extend(tokens.get(at + 2).and_then(text_of));
                    }
                }
                TokenTree::Group(group) => {
                    let tokens: Vec<TokenTree> = group.stream().into_iter().collect();
                    self.walk(&tokens, children);
                }
                TokenTree::Literal(_) => self.texts.extend(text_of(token)),
                TokenTree::Punct(_) => {}
            }
            at += 1;
        }
    }

    /// What follows `pub use`: its names, each with the path that it comes from.
    fn export(&mut self, tokens: &[TokenTree], children: &[String]) {
        let imports = std::mem::take(&mut self.imports);
        self.path_at(tokens, children);
        for path in std::mem::replace(&mut self.imports, imports) {
            self.exports.extend(path.last().cloned().map(|name| (name, path)));
        }
    }

    /// A path that begins here: one of this crate is an import, whether after `use` or not.
    fn path_at(&mut self, tokens: &[TokenTree], children: &[String]) {
        let head = tokens[0].to_string();
        let mut base = self.path.clone();
        match head.as_str() {
            "crate" | "testnode_operator" => base.clear(),
            "self" => {}
            "super" => drop(base.pop()),
            child if children.iter().any(|known| known == child) => base.push(head),
            _ => return,
        }
        self.tree(base, &tokens[1..]);
    }

    /// What follows a path: `::name`, `::{…, …}`, or nothing of interest.
    fn tree(&mut self, mut path: ModulePath, rest: &[TokenTree]) {
        if !(is_punct(rest.first(), ':') && is_punct(rest.get(1), ':')) {
            self.imports.insert(path);
            return;
        }
        if let Some(inner) = inside(rest.get(2), Delimiter::Brace) {
            for leaf in inner.split(|token| is_punct(Some(token), ',')).filter(|leaf| !leaf.is_empty()) {
                let mut path = path.clone();
                if !is_ident(leaf.first(), "self") {
                    path.push(leaf[0].to_string());
                }
                self.tree(path, &leaf[1..]);
            }
            return;
        }
        match rest.get(2) {
            Some(TokenTree::Ident(word)) if *word == "super" => drop(path.pop()),
            Some(TokenTree::Ident(word)) => path.push(word.to_string()),
            _ => {
                self.imports.insert(path);
                return;
            }
        }
        self.tree(path, &rest[3..]);
    }

    /// The names in a `json!`: texts before a colon, however deep.
    fn json(&mut self, body: Option<&TokenTree>) {
        let Some(TokenTree::Group(group)) = body else { return };
        let tokens: Vec<TokenTree> = group.stream().into_iter().collect();
        for (at, token) in tokens.iter().enumerate() {
            if is_punct(tokens.get(at + 1), ':') {
                self.fields.extend(text_of(token));
            }
            self.json(Some(token));
        }
    }
}
