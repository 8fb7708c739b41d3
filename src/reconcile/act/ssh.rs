//! Whether a guest's sshd is the right one, and lets the operator in where the machine type says so.
//!
//! The key for that is in a Secret of the operator's namespace. What is in it is never quoted, and only the machine type,
//! which is the admin's, can name it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use tokio::time::Instant;

use crate::api::common::ReadinessCheck;
use crate::guest::ssh::{self, Login, NotUsable, PrivateKey, Trouble};
use crate::reason::Reason;
use crate::reconcile::context::Context;
use crate::reconcile::error::Error;
use crate::reconcile::state::{BootId, Problem, SshTrouble};
use crate::ssh_key::PublicKey;

/// The key of the Secret that has the private key, as in Secrets of type `kubernetes.io/ssh-auth`.
const KEY: &str = "ssh-privatekey";
/// How long what was found in a Secret is used.
const KEY_LASTS: Duration = Duration::from_secs(10);
/// A conversation that takes longer is tried again later.
const PATIENCE: Duration = Duration::from_secs(8);
const PAUSE: Duration = Duration::from_secs(3);
/// A Secret that cannot be used is read again this often, in case somebody mends it.
const NO_KEY_PAUSE: Duration = Duration::from_secs(15);

/// What a check logs in with, if it does. That its key cannot be used is an answer.
pub(super) async fn login(
    ctx: &Context,
    namespace: &str,
    check: &ReadinessCheck,
) -> Result<Result<Option<Login>, Problem>, Error> {
    let Some((user, secret)) = check.user.as_ref().zip(check.key_secret_ref.as_ref()) else {
        return Ok(Ok(None));
    };
    let _permit = ctx.api_server.take(namespace).await;
    let key = key(ctx, &secret.name).await?;
    let login = |key| Login { user: user.clone(), key, sentinel: check.sentinel.clone() };
    Ok(key.map(login).map(Some))
}

/// The key in a Secret. Who asks while another reads it gets the same answer.
async fn key(ctx: &Context, name: &str) -> Result<Result<Arc<PrivateKey>, Problem>, Error> {
    let mut keys = ctx.login_keys.lock().await;
    keys.retain(|_, (at, _)| at.elapsed() < KEY_LASTS);
    if let Some((_, found)) = keys.get(name) {
        return Ok(found.clone());
    }
    let found = match Api::<Secret>::namespaced(ctx.client.clone(), &ctx.namespace).get(name).await {
        Ok(secret) => usable(name, &secret),
        Err(kube::Error::Api(status)) if status.is_not_found() => {
            Err(format!("there is no such Secret; make it: {}", cure(ctx, name)))
        }
        Err(kube::Error::Api(status)) if status.is_forbidden() => {
            Err("the operator may not read it; add its name to rbac.secretNames of the chart".into())
        }
        Err(error) => return Err(error.into()),
    };
    let found = found.map(Arc::new).map_err(|why| Problem {
        reason: Reason::LoginKeyUnusable,
        message: format!(
            "the readiness check \"ssh\" of the machine type cannot log in with Secret {name} in namespace {}: {why}",
            ctx.namespace
        ),
    });
    keys.insert(name.to_owned(), (Instant::now(), found.clone()));
    Ok(found)
}

fn usable(name: &str, secret: &Secret) -> Result<PrivateKey, String> {
    let data = secret.data.as_ref().and_then(|data| data.get(KEY));
    let data = data.ok_or_else(|| format!("it has no key {KEY}; add it, with a private key for ssh"))?;
    PrivateKey::read(&data.0).map_err(|why| {
        let cure = match why {
            NotUsable::NotAKey => "put a whole private key there, as `ssh-keygen -t ed25519` writes it",
            NotUsable::Protected => "put one there that has none (`ssh-keygen -p -N \"\"` takes it away)",
            NotUsable::AnotherKind => "only Ed25519 will do: make one with `ssh-keygen -t ed25519`",
        };
        format!("what its key {KEY} holds {why}; {cure}, and edit Secret {name}")
    })
}

fn cure(ctx: &Context, name: &str) -> String {
    format!("kubectl create secret generic {name} --namespace {} --from-file={KEY}=FILE", ctx.namespace)
}

/// Tries it, and notes what came of it. That it does not pass is no failure.
pub(super) async fn try_it(
    ctx: &Context,
    uid: &str,
    boot: &BootId,
    address: IpAddr,
    check: &ReadinessCheck,
    known: &[String],
    login: Result<Option<Login>, Problem>,
) {
    let port = check.port.and_then(|port| u16::try_from(port).ok()).unwrap_or(22);
    let target = SocketAddr::new(address, port);
    let keys: Vec<PublicKey> = known.iter().filter_map(|line| line.split_once(' ')?.1.parse().ok()).collect();
    let (outcome, pause) = match login {
        Err(problem) => (Err(SshTrouble::NoKey(problem)), NO_KEY_PAUSE),
        Ok(login) => {
            let passed = ssh::probe(&ctx.seams.dial, target, &keys, login.as_ref(), PATIENCE).await;
            (passed.map_err(|trouble| not_yet(&trouble, target, check, &keys)), PAUSE)
        }
    };
    ctx.note(uid, |notes| {
        let ssh = &mut notes.guests.entry(boot.clone()).or_default().ssh;
        ssh.passed.retain(|(passed, _)| passed != check);
        match outcome {
            Ok(key) => {
                ssh.passed.push((check.clone(), key));
                (ssh.trouble, ssh.next) = (None, None);
            }
            Err(trouble) => (ssh.trouble, ssh.next) = (Some(trouble), Some(Instant::now() + pause)),
        }
    });
}

fn not_yet(trouble: &Trouble, target: SocketAddr, check: &ReadinessCheck, known: &[PublicKey]) -> SshTrouble {
    let (address, port) = (target.ip(), target.port());
    let at = format!("sshd at port {port} of {address}");
    let (reason, message) = match trouble {
        Trouble::NoAnswer(why) => (Reason::Booting, format!("waiting for {at} to answer: {why}")),
        Trouble::Garbage(why) => (
            Reason::Booting,
            format!("waiting for {at}: something answers there that is not as it should be: {why}"),
        ),
        Trouble::OtherKey(key) => {
            let known: Vec<String> = known.iter().map(PublicKey::fingerprint).collect();
            let message = format!(
                "{at} shows the host key {} ({}), which is none of those that are known of this machine ({}); something else may \
                 answer at this address, or the image makes its host keys anew after it printed them on the console; \
                 compare them before you log in",
                key.fingerprint(),
                key.kind(),
                known.join(", ")
            );
            (Reason::HostKeyDiffers, message)
        }
        Trouble::Refused => {
            let (user, secret) = (check.user.as_deref(), check.key_secret_ref.as_ref());
            let message = format!(
                "waiting for {at} to let user {} in with the key of Secret {}; if it never does, give the machine its public \
                 half, as in sshAuthorizedKeys of the machine type, or correct user there",
                user.unwrap_or_default(),
                secret.map(|secret| secret.name.as_str()).unwrap_or_default()
            );
            (Reason::Booting, message)
        }
        Trouble::NoFile => {
            let path = check.sentinel.as_deref().unwrap_or_default();
            (Reason::Booting, format!("waiting for the file {path} on the machine"))
        }
    };
    SshTrouble::NotYet(Problem { reason, message })
}
