//! The two clouds by name, which may be one: two Clouds can open one project.

use std::collections::BTreeMap;
use std::ops::Index;

use super::cloud::Cloud;

/// The names of the Clouds, in the order in which they are tried.
pub const NAMES: [&str; 2] = ["east", "west"];

/// The clouds.
#[derive(Debug)]
pub struct Clouds {
    all: BTreeMap<String, Cloud>,
    one: bool,
}

impl Clouds {
    /// Two clouds, or one project that two Clouds open, with what another node has there.
    pub fn new(one: bool, soft_delete: bool) -> Self {
        let names = NAMES.iter().zip(1_u8..).take(if one { 1 } else { 2 });
        let mut all: BTreeMap<String, Cloud> = names
            .map(|(name, octet)| ((*name).to_owned(), Cloud { octet, soft_delete, ..Cloud::default() }))
            .collect();
        all.values_mut().for_each(Cloud::neighbour);
        Self { all, one }
    }

    /// Both names open one project.
    pub fn are_one(&self) -> bool {
        self.one
    }

    fn key<'a>(&self, name: &'a str) -> &'a str {
        if self.one { "east" } else { name }
    }

    /// A cloud by the name of a Cloud.
    pub fn get(&self, name: &str) -> Option<&Cloud> {
        self.all.get(self.key(name))
    }

    /// See [`Clouds::get`].
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Cloud> {
        let key = self.key(name);
        self.all.get_mut(key)
    }

    /// Each cloud once.
    pub fn values(&self) -> impl Iterator<Item = &Cloud> {
        self.all.values()
    }

    /// Each cloud once, with a name.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&String, &mut Cloud)> {
        self.all.iter_mut()
    }
}

impl Index<&str> for Clouds {
    type Output = Cloud;

    fn index(&self, name: &str) -> &Cloud {
        self.get(name).unwrap()
    }
}

impl Index<&String> for Clouds {
    type Output = Cloud;

    fn index(&self, name: &String) -> &Cloud {
        self.get(name).unwrap()
    }
}
