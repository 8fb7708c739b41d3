//! A look at a machine's console: asked for with `spec.consoleRequest`, answered in `status.console`.

use std::time::Duration;

use kube::api::{Api, Patch, PatchParams};
use kube::{Client, ResourceExt};
use tokio::time::{Instant, sleep};

use super::error::Error;
use crate::api::testnode_status::ConsoleFacts;
use crate::api::{TestNode, TestNodeSpec};

/// So long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often the node is read meanwhile.
const PAUSE: Duration = Duration::from_millis(500);

/// What was read last.
pub fn last(node: &TestNode) -> Result<ConsoleFacts, Error> {
    let console = node.own_status().and_then(|status| status.console.clone());
    console.ok_or_else(|| Error::NoConsole(node.name_any()))
}

/// Asks for a look, and waits for it.
pub async fn ask(client: &Client, name: &str) -> Result<ConsoleFacts, Error> {
    let nodes = Api::<TestNode>::default_namespaced(client.clone());
    let request = format!("kubectl-testnode {}", jiff::Timestamp::now());
    let patch = Patch::Merge(TestNodeSpec::asking_for_console(&request));
    let mut node = nodes.patch(name, &PatchParams::default(), &patch).await?;
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = answer(&node, &request) {
            return Ok(answer);
        }
        if Instant::now() >= until {
            let (node, seconds) = (name.to_owned(), PATIENCE.as_secs());
            return Err(Error::Unanswered { node, seconds, says: says(&nodes.get(name).await?) });
        }
        sleep(PAUSE).await;
        node = nodes.get(name).await?;
    }
}

fn answer(node: &TestNode, request: &str) -> Option<ConsoleFacts> {
    let console = node.own_status()?.console.as_ref()?;
    (console.request == request).then(|| console.clone())
}

fn says(node: &TestNode) -> String {
    let conditions = node.status.iter().flat_map(|status| &status.conditions);
    let ready = conditions.into_iter().find(|condition| condition.type_ == "Ready");
    ready.map_or_else(|| "nothing".into(), |ready| format!("{}: {}", ready.reason, ready.message))
}

/// The text for a terminal. What a machine printed must not command it.
pub fn text(console: &ConsoleFacts) -> Result<String, Error> {
    if let Some(problem) = &console.problem {
        return Err(Error::ConsoleProblem(shown(problem)));
    }
    Ok(shown(&console.text) + "\n")
}

fn shown(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::output::tests::node;

    fn console(text: &str, problem: Option<&str>) -> ConsoleFacts {
        let problem = problem.map(ToOwned::to_owned);
        let at = Time(jiff::Timestamp::UNIX_EPOCH);
        ConsoleFacts { request: "a".into(), at, text: text.into(), problem }
    }

    #[test]
    fn only_the_answer_to_this_request_counts() {
        let mut node = node("smithi001");
        node.status.as_mut().unwrap().console = Some(console("login:", None));

        assert_eq!(answer(&node, "a").unwrap().text, "login:");
        assert_eq!(answer(&node, "b"), None);
        assert_eq!(last(&node).unwrap().text, "login:");
    }

    #[test]
    fn a_request_fits_into_the_field() {
        assert!(format!("kubectl-testnode {}", jiff::Timestamp::now()).len() <= 64);
    }

    #[test]
    fn what_a_machine_printed_cannot_command_the_terminal() {
        assert_eq!(text(&console("\u{1b}]0;owned\u{7}a\nb", None)).unwrap(), "]0;owneda\nb\n");
    }

    #[test]
    fn why_there_is_no_text_is_an_error() {
        let error = text(&console("", Some("the node has no server now"))).unwrap_err();

        assert_eq!(error.to_string(), "the node has no server now");
    }
}
