//! Identity: logins, tokens and the catalogue; and what every other service asks of a token.

use serde_json::{Value, json};

use crate::{
    log::Service,
    wire::{Answer, Ask, Reply, put, text, title},
    world::{Token, World},
};

/// Who asks.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub project: String,
    pub origin: String,
}

/// Keystone's way to refuse.
pub(crate) fn error(status: u16, message: &str) -> Reply {
    Reply::json(status, json!({"error": {"code": status, "message": message, "title": title(status)}}))
}

pub(crate) fn answer(world: &mut World, ask: &Ask, path: &str) -> Answer {
    match (ask.method.as_str(), path.trim_end_matches('/')) {
        ("GET", "") => Ok(Reply::json(300, json!({"versions": {"values": [version(ask)]}}))),
        ("GET", "/v3") => Ok(Reply::json(200, json!({"version": version(ask)}))),
        ("POST", "/v3/auth/tokens") => login(world, ask),
        ("GET", "/v3/auth/tokens" | "/v3/auth/catalog") => {
            caller(world, ask, Service::Keystone)?;
            Ok(Reply::json(200, json!({"catalog": catalog(world, ask)})))
        }
        _ => Err(error(404, "The resource could not be found.")),
    }
}

fn version(ask: &Ask) -> Value {
    json!({
        "id": "v3.14", "status": "stable", "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": format!("{}/identity/v3/", ask.origin())}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"}]
    })
}

fn login(world: &mut World, ask: &Ask) -> Answer {
    let body = ask.json();
    let Some(auth) = body.get("auth") else { return Err(error(400, "'auth' is a required property")) };
    let identity = auth.get("identity").unwrap_or(&Value::Null);
    let by_credential = text_at(identity, "/methods/0") == Some("application_credential");
    if by_credential {
        by_application_credential(world, identity)?;
        if auth.get("scope").is_some() {
            return Err(error(401, "Application credentials cannot request a scope."));
        }
    } else {
        by_password(world, identity)?;
        in_scope(world, auth.get("scope").unwrap_or(&Value::Null))?;
    }
    let id = format!("gAAAAA{:016x}{:016x}", world.random(), world.random());
    let token = Token {
        project: world.settings.project_id.clone(),
        expires: world.now + world.settings.token_lifetime,
        by_credential,
        revoked: false,
        seen: std::collections::BTreeMap::new(),
    };
    let body = json!({"token": describe(world, ask, &token)});
    world.tokens.insert(id.clone(), token);
    Ok(Reply::json(201, body).with("x-subject-token", id).with("vary", "X-Auth-Token"))
}

fn text_at<'a>(body: &'a Value, pointer: &str) -> Option<&'a str> {
    body.pointer(pointer).and_then(Value::as_str)
}

const WRONG: &str = "The request you have made requires authentication.";

fn by_application_credential(world: &World, identity: &Value) -> Result<(), Reply> {
    let settings = &world.settings;
    let given = identity.get("application_credential").unwrap_or(&Value::Null);
    let known = match text(given, "id") {
        Some(id) if id == settings.app_credential_id => true,
        Some(id) => return Err(error(404, &format!("Could not find Application Credential: {id}."))),
        None => text(given, "name") == Some(&settings.app_credential_name) && is_user(world, given),
    };
    if world.credential_removed || !known {
        let name = text(given, "id").or(text(given, "name")).unwrap_or_default();
        return Err(error(404, &format!("Could not find Application Credential: {name}.")));
    }
    if text(given, "secret") == Some(&settings.app_credential_secret) {
        Ok(())
    } else {
        Err(error(401, WRONG))
    }
}

fn is_user(world: &World, given: &Value) -> bool {
    let settings = &world.settings;
    let by_name = text_at(given, "/user/name") == Some(&settings.user_name)
        && [text_at(given, "/user/domain/id"), text_at(given, "/user/domain/name")]
            .into_iter()
            .flatten()
            .any(|domain| domain.eq_ignore_ascii_case(&settings.domain));
    by_name || text_at(given, "/user/id") == Some(&settings.user_id)
}

fn by_password(world: &World, identity: &Value) -> Result<(), Reply> {
    let given = identity.get("password").unwrap_or(&Value::Null);
    let right = is_user(world, given) && text_at(given, "/user/password") == Some(&world.settings.password);
    if right { Ok(()) } else { Err(error(401, WRONG)) }
}

fn in_scope(world: &World, scope: &Value) -> Result<(), Reply> {
    let settings = &world.settings;
    let by_id = text_at(scope, "/project/id") == Some(&settings.project_id);
    let by_name = text_at(scope, "/project/name") == Some(&settings.project_name);
    if by_id || by_name { Ok(()) } else { Err(error(401, WRONG)) }
}

fn describe(world: &World, ask: &Ask, token: &Token) -> Value {
    let settings = &world.settings;
    let domain = json!({"id": settings.domain, "name": "Default"});
    let mut body = json!({
        "methods": [if token.by_credential { "application_credential" } else { "password" }],
        "user": {"domain": domain, "id": settings.user_id, "name": settings.user_name, "password_expires_at": null},
        "audit_ids": ["Zm9vYmFyYmF6cXV4MTIzNA"],
        "expires_at": world.clock.zulu_micros(token.expires),
        "issued_at": world.clock.zulu_micros(world.now),
        "project": {"domain": domain, "id": token.project, "name": settings.project_name},
        "is_domain": false,
        "roles": [{"id": "9fe2ff9ee4384b1894a90878d3e92bab", "name": "member"}, {"id": "5c2", "name": "reader"}],
        "catalog": catalog(world, ask),
    });
    if token.by_credential {
        put(
            &mut body,
            "application_credential",
            json!({"id": settings.app_credential_id, "name": settings.app_credential_name, "restricted": true}),
        );
    }
    body
}

fn catalog(world: &World, ask: &Ask) -> Value {
    let (origin, region, project) = (ask.origin(), &world.settings.region, &world.settings.project_id);
    let endpoint = |interface: &str, url: &str| {
        json!({"id": format!("{interface}-{}", url.len()), "interface": interface, "region": region,
               "region_id": region, "url": url})
    };
    let public = |kind: &str, name: &str, path: &str| {
        let url = format!("{origin}{path}");
        json!({"id": name, "name": name, "type": kind, "endpoints": [endpoint("public", &url)]})
    };
    let identity = format!("{origin}/identity");
    let mut services = vec![
        json!({"id": "keystone", "name": "keystone", "type": "identity", "endpoints": [
            endpoint("public", &identity), endpoint("internal", &identity), endpoint("admin", &identity)]}),
        public("compute", "nova", "/compute/v2.1"),
        public("image", "glance", "/image"),
        public("network", "neutron", "/network"),
    ];
    if world.settings.block_storage {
        services.push(public("volumev3", "cinder", &format!("/volume/v3/{project}")));
    }
    Value::from(services)
}

/// Whose token this is, or the service's 401. A service goes on believing a token it has seen before for a while
/// after its credential was removed.
pub(crate) fn caller(world: &mut World, ask: &Ask, service: Service) -> Result<Caller, Reply> {
    let (now, cached, removed) = (world.now, world.settings.token_cache, world.credential_removed);
    let origin = ask.origin();
    let known = ask.header("x-auth-token").and_then(|id| world.tokens.get_mut(id));
    if let Some(token) = known {
        let remembered = token.seen.get(&service).is_some_and(|seen| now < *seen + cached);
        let dead = token.revoked || now >= token.expires || (removed && token.by_credential && !remembered);
        if !dead {
            if !remembered {
                token.seen.insert(service, now);
            }
            return Ok(Caller { project: token.project.clone(), origin });
        }
    }
    let refusal = match service {
        Service::Glance => Reply::webob(
            401,
            "This server could not verify that you are authorized to access the document you requested.",
        ),
        Service::Keystone
        | Service::Nova
        | Service::Cinder
        | Service::Neutron
        | Service::NsupdateWeb
        | Service::Dns => error(401, WRONG),
    };
    refusal.with("www-authenticate", format!("Keystone uri=\"{origin}/identity\"")).err()
}
