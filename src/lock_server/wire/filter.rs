//! Which rows of the list somebody wants.

use url::form_urlencoded;

use super::{Row, types};

/// Which rows. What is `None` does not matter.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Filter {
    /// One of these machine types.
    pub machine_types: Option<Vec<String>>,
    /// Whether it may be used.
    pub up: Option<bool>,
    /// Whether somebody has it.
    pub locked: Option<bool>,
    /// Who has it.
    pub owner: Option<String>,
    /// Its operating system.
    pub os_type: Option<String>,
    /// The version of that.
    pub os_version: Option<String>,
    /// At most so many.
    pub count: Option<usize>,
}

/// The parameters of a query, decoded.
#[must_use]
pub fn parameters(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

impl Filter {
    /// Reads a query. What it does not know is ignored, as in paddles.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(query: &str) -> Result<Self, String> {
        let mut filter = Self::default();
        for (key, value) in parameters(query).into_iter().filter(|(_, value)| !value.is_empty()) {
            match key.as_str() {
                "machine_type" => filter.machine_types = Some(types(&value)),
                "up" => filter.up = Some(truth(&key, &value)?),
                "locked" => filter.locked = Some(truth(&key, &value)?),
                "locked_by" => filter.owner = Some(value),
                "os_type" => filter.os_type = Some(value),
                "os_version" => filter.os_version = Some(value),
                "count" => {
                    let count: i64 =
                        value.trim().parse().map_err(|_| "count must be an integer".to_owned())?;
                    filter.count = Some(usize::try_from(count).unwrap_or(0));
                }
                _ => {}
            }
        }
        Ok(filter)
    }

    /// Whether a row is wanted, `count` aside.
    #[must_use]
    pub fn wants(&self, row: &Row) -> bool {
        let same = |wanted: &Option<String>, is: &Option<String>| wanted.is_none() || wanted == is;
        self.machine_types.as_ref().is_none_or(|types| types.contains(&row.machine_type))
            && self.up.is_none_or(|up| up == row.up)
            && self.locked.is_none_or(|locked| locked == row.locked)
            && same(&self.owner, &row.locked_by)
            && same(&self.os_type, &row.os_type)
            && same(&self.os_version, &row.os_version)
    }
}

fn truth(key: &str, value: &str) -> Result<bool, String> {
    match value.to_ascii_lowercase().as_str() {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err(format!("{key} must be 0 or 1")),
    }
}
