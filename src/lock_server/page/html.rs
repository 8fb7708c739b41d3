//! The page, made on the server. It works without its script; with it, it keeps itself up to date.

use std::fmt::{self, Write as _};

use jiff::Timestamp;

use super::{Glance, Machine};

/// A text of somebody else, so that it is text in HTML and nothing else.
struct Text<'a>(&'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                _ => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

fn maybe(text: Option<&String>) -> Text<'_> {
    Text(text.map(String::as_str).unwrap_or_default())
}

/// The whole page; of the machines and claims those in which each searched word is.
#[must_use]
pub fn html(glance: &Glance, searched: &str) -> String {
    let words: Vec<String> = searched.to_lowercase().split_whitespace().map(str::to_owned).collect();
    let machines: Vec<&Machine> =
        glance.machines.iter().filter(|machine| is_found(&words, &text_of(machine))).collect();
    let waiting: Vec<_> = glance
        .waiting
        .iter()
        .filter(|claim| {
            let text =
                [&claim.claim, &claim.pool, &claim.owner, claim.description.as_ref().unwrap_or(&claim.pool)];
            is_found(&words, &text.map(String::as_str).join(" "))
        })
        .collect();
    let now = glance.at.parse::<Timestamp>().ok();
    let mut page = String::from(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Test lab</title>\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><link rel=\"stylesheet\" href=\"lab.css\">\
         <script src=\"lab.js\" defer></script></head>\n<body><header><h1>Test lab</h1>",
    );
    // Writing to a string cannot fail.
    let _ = write!(
        page,
        "<form role=\"search\"><input type=\"search\" name=\"q\" value=\"{}\" placeholder=\"machine, person, job, cloud\" \
         aria-label=\"Search\" autofocus><button>Search</button></form></header>\n<main id=\"lab\">",
        Text(searched)
    );
    let _ = write!(
        page,
        "<p class=\"at\">As of <time datetime=\"{0}\">{0}</time><span id=\"live\"></span></p>",
        Text(&glance.at)
    );
    section(&mut page, "Machines", &format!("{} of {}", machines.len(), glance.machines.len()));
    table(
        &mut page,
        "machines",
        &["Machine", "State", "Who", "Since", "For", "Type", "Pool", "Cloud"],
        machines.is_empty(),
        |page| {
            for machine in &machines {
                row_of(page, machine, now);
            }
        },
    );
    section(&mut page, "Waiting", &waiting.len().to_string());
    table(
        &mut page,
        "waiting",
        &["Who", "Machines", "Since", "For", "Pool", "Why"],
        waiting.is_empty(),
        |page| {
            for claim in &waiting {
                let _ = write!(
                    page,
                    "<tr><td data-label=\"Who\">{}</td><td data-label=\"Machines\">{}</td><td data-label=\"Since\">{}</td>\
                 <td data-label=\"For\">{}</td><td data-label=\"Pool\">{}</td><td data-label=\"Why\">{}</td></tr>",
                    Text(&claim.owner),
                    claim.count,
                    Since(claim.since.as_deref(), now),
                    maybe(claim.description.as_ref()),
                    Text(&claim.pool),
                    Text(&claim.message)
                );
            }
        },
    );
    pools_and_clouds(&mut page, glance);
    page.push_str("</main></body></html>\n");
    page
}

fn row_of(page: &mut String, machine: &Machine, now: Option<Timestamp>) {
    let what = machine.description.as_ref().or(machine.message.as_ref());
    let state = machine.state.word();
    let _ = writeln!(
        page,
        "<tr class=\"{state}\"><td data-label=\"Machine\" title=\"{}\"><b>{}</b></td>\
         <td data-label=\"State\"><span class=\"state\">{state}</span></td>\
         <td data-label=\"Who\">{}</td><td data-label=\"Since\">{}</td><td data-label=\"For\">{}</td>\
         <td data-label=\"Type\">{} {}</td><td data-label=\"Pool\">{}</td><td data-label=\"Cloud\">{}</td></tr>",
        maybe(machine.address.as_ref()),
        Text(&machine.name),
        maybe(machine.owner.as_ref()),
        Since(machine.since.as_deref(), now),
        maybe(what),
        Text(&machine.machine_type),
        maybe(machine.os.as_ref()),
        maybe(machine.pool.as_ref()),
        maybe(machine.cloud.as_ref()),
    );
}

fn pools_and_clouds(page: &mut String, glance: &Glance) {
    section(page, "Pools", &glance.pools.len().to_string());
    let heads = ["Pool", "Type", "Idle", "Coming", "Taken", "Broken", "Going", "Max", "Waiting", "Says"];
    table(page, "pools", &heads, glance.pools.is_empty(), |page| {
        for pool in &glance.pools {
            let _ = write!(
                page,
                "<tr><td data-label=\"Pool\"><b>{}</b></td><td data-label=\"Type\">{}</td><td data-label=\"Idle\">{}</td>\
                 <td data-label=\"Coming\">{}</td><td data-label=\"Taken\">{}</td><td data-label=\"Broken\">{}</td>\
                 <td data-label=\"Going\">{}</td><td data-label=\"Max\">{}</td><td data-label=\"Waiting\">{}</td>\
                 <td data-label=\"Says\">{}</td></tr>",
                Text(&pool.name),
                maybe(pool.machine_type.as_ref()),
                pool.idle,
                pool.coming,
                pool.taken,
                pool.broken,
                pool.going,
                pool.max,
                pool.waiting,
                maybe(pool.message.as_ref().or_else(|| glance.left_out.get(&pool.name)))
            );
        }
    });
    section(page, "Clouds", &glance.clouds.len().to_string());
    table(page, "clouds", &["Cloud", "Machines", "Taken", "Says"], glance.clouds.is_empty(), |page| {
        for cloud in &glance.clouds {
            let _ = write!(
                page,
                "<tr><td data-label=\"Cloud\"><b>{}</b></td><td data-label=\"Machines\">{}</td>\
                 <td data-label=\"Taken\">{}</td><td data-label=\"Says\">{}</td></tr>",
                Text(&cloud.name),
                cloud.machines,
                cloud.taken,
                maybe(cloud.message.as_ref())
            );
        }
    });
}

fn section(page: &mut String, title: &str, count: &str) {
    let _ = writeln!(page, "<h2>{title} <small>{count}</small></h2>");
}

fn table(page: &mut String, class: &str, heads: &[&str], is_empty: bool, rows: impl FnOnce(&mut String)) {
    if is_empty {
        page.push_str("<p class=\"none\">none</p>\n");
        return;
    }
    let _ = write!(page, "<table class=\"{class}\"><thead><tr>");
    for head in heads {
        let _ = write!(page, "<th scope=\"col\">{head}</th>");
    }
    page.push_str("</tr></thead><tbody>\n");
    rows(page);
    page.push_str("</tbody></table>\n");
}

/// An instant, and how long ago that is.
struct Since<'a>(Option<&'a str>, Option<Timestamp>);

impl fmt::Display for Since<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(since) = self.0 else { return Ok(()) };
        let ago = since
            .parse::<Timestamp>()
            .ok()
            .zip(self.1)
            .map(|(since, now)| now.duration_since(since).as_secs());
        write!(f, "<time datetime=\"{0}\" title=\"{0}\">", Text(since))?;
        match ago {
            Some(seconds) if seconds < 60 => f.write_str("now")?,
            Some(seconds) if seconds < 3600 => write!(f, "{} min", seconds / 60)?,
            Some(seconds) if seconds < 172_800 => write!(f, "{} h", seconds / 3600)?,
            Some(seconds) => write!(f, "{} d", seconds / 86_400)?,
            None => write!(f, "{}", Text(since))?,
        }
        f.write_str("</time>")
    }
}

/// All that a machine can be found by.
fn text_of(machine: &Machine) -> String {
    let parts = [
        machine.owner.as_ref(),
        machine.description.as_ref(),
        machine.os.as_ref(),
        machine.address.as_ref(),
        machine.pool.as_ref(),
        machine.cloud.as_ref(),
        machine.message.as_ref(),
    ];
    let parts = parts.into_iter().flatten().map(String::as_str);
    let own = [machine.name.as_str(), machine.state.word(), &machine.machine_type, &machine.namespace];
    parts.chain(own).collect::<Vec<_>>().join(" ")
}

fn is_found(words: &[String], text: &str) -> bool {
    let text = text.to_lowercase();
    words.iter().all(|word| text.contains(word.as_str()))
}
