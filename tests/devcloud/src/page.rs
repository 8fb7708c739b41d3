//! Pages of lists: `limit`, `marker`, and the link to the next one.

use form_urlencoded::Serializer;

use crate::wire::Ask;

/// A page and where the next one is.
pub(crate) struct Page<T> {
    pub items: Vec<T>,
    pub next: Option<String>,
}

/// Cuts a page out of a list; none if the marker is not in it.
pub(crate) fn cut<'a, T>(
    mut items: Vec<&'a T>,
    ask: &Ask,
    most: usize,
    url: &str,
    id: impl Fn(&'a T) -> &'a String,
) -> Option<Page<&'a T>> {
    if let Some(marker) = ask.param("marker") {
        let at = items.iter().position(|item| id(item) == marker)?;
        items.drain(..=at);
    }
    let asked = ask.param("limit").and_then(|limit| limit.parse().ok()).unwrap_or(most);
    let limit = asked.min(most);
    let more = items.len() > limit && limit > 0;
    items.truncate(limit);
    let last = items.last().map(|item| id(item).clone());
    let next = last.filter(|_| more).map(|last| {
        let mut query = Serializer::new(String::new());
        for (key, value) in ask.query.iter().filter(|(key, _)| key != "marker") {
            query.append_pair(key, value);
        }
        query.append_pair("marker", &last);
        format!("{url}?{}", query.finish())
    });
    Some(Page { items, next })
}
