use super::*;
use Class::{Auth, Busy, Capacity, Conflict, Invalid, NotFound, Quota, Unreachable};
use Service::{BlockStorage as Cinder, Compute as Nova, Identity as Keystone, Network as Neutron};

/// The clouds' own words, as they were measured.
const REFUSALS: &[(Class, Service, u16, &str, &str)] = &[
    // Over quota, in four shapes, and what looks like it.
    (Quota, Nova, 403, "forbidden", "Quota exceeded for cores: Requested 64, but already used 0 of 32 cores"),
    (
        Quota,
        Nova,
        403,
        "forbidden",
        "Quota exceeded for instances: Requested 1, but already used 10 of 10 instances",
    ),
    (Quota, Nova, 403, "forbidden", "The number of defined ports: 1 is over the limit: 0"),
    (
        Quota,
        Cinder,
        413,
        "overLimit",
        "VolumeLimitExceeded: Maximum number of volumes allowed (1) exceeded for quota 'volumes'.",
    ),
    (
        Quota,
        Cinder,
        413,
        "overLimit",
        "VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota. Requested 7G, quota is 10G and 4G has been consumed.",
    ),
    (Quota, Neutron, 409, "OverQuota", "Quota exceeded for resources: ['floatingip']."),
    (Quota, Neutron, 409, "OverQuota", "Quota exceeded for resources: ['port']."),
    (
        Auth,
        Nova,
        403,
        "forbidden",
        "Policy doesn't allow os_compute_api:os-quota-sets:update to be performed.",
    ),
    (
        Auth,
        Cinder,
        403,
        "forbidden",
        "Policy doesn't allow volume_extension:volume_admin_actions:force_delete to be performed.",
    ),
    (Invalid, Nova, 403, "forbidden", "Only volume-backed servers are allowed for flavors with zero disk."),
    (Invalid, Nova, 403, "forbidden", "Maximum number of metadata items exceeds 128"),
    (
        Invalid,
        Cinder,
        413,
        "overLimit",
        "VolumeSizeExceedsLimit: Requested volume size 9G is larger than maximum allowed limit 8G.",
    ),
    // Too fast.
    (Busy, Nova, 413, "overLimit", "This request was rate-limited."),
    (Busy, Nova, 429, "overLimit", "This request was rate-limited."),
    (Busy, Neutron, 429, "", "429 Too Many Requests"),
    (Invalid, Nova, 413, "", "413 Request Entity Too Large"),
    // Not ours to use.
    (Auth, Keystone, 401, "Unauthorized", "The request you have made requires authentication."),
    (Auth, Keystone, 404, "Not Found", "Could not find Application Credential: 21dced0f."),
    (Invalid, Keystone, 404, "", "404 Not Found"),
    (
        Auth,
        Keystone,
        403,
        "Forbidden",
        "You are not authorized to perform the requested action: identity:create_application_credential.",
    ),
    (Auth, Neutron, 401, "", "Unauthorized"),
    // Only an edit cures.
    (Invalid, Nova, 400, "badRequest", "Flavor nope could not be found."),
    (Invalid, Nova, 400, "badRequest", "Can not find requested image"),
    (Invalid, Nova, 400, "badRequest", "Network 7e5 could not be found."),
    (Invalid, Nova, 400, "badRequest", "Invalid key_name provided."),
    (Invalid, Nova, 400, "badRequest", "Unable to find security_group with name or id 'nope'"),
    (Invalid, Nova, 400, "badRequest", "Additional properties are not allowed ('tags' was unexpected)"),
    (
        Invalid,
        Nova,
        406,
        "computeFault",
        "Version 2.999 is not supported by the API. Minimum is 2.1 and maximum is 2.93.",
    ),
    (
        Invalid,
        Nova,
        409,
        "conflictingRequest",
        "Multiple possible networks found, use a Network ID to be more specific.",
    ),
    // Look again.
    (
        Conflict,
        Nova,
        400,
        "badRequest",
        "Invalid volume: Invalid input received: Invalid volume: Volume 5f status must be available or downloading to reserve, but the current status is reserved. (HTTP 400) (Request-ID: req-1)",
    ),
    (Conflict, Nova, 400, "badRequest", "Invalid volume: volume 5f is already attached to instances: 77"),
    (Conflict, Nova, 409, "conflictingRequest", "Port 5f is still in use."),
    (Conflict, Nova, 409, "conflictingRequest", "Instance 77 is locked"),
    (
        Conflict,
        Nova,
        409,
        "conflictingRequest",
        "Cannot 'attach_volume' instance 77 while it is in vm_state building",
    ),
    (
        Conflict,
        Cinder,
        400,
        "badRequest",
        "Invalid volume: Volume status must be available or error or error_restoring or error_extending or error_managing and must not be migrating, attached, belong to a group, have snapshots or be disassociated from snapshots after volume transfer.",
    ),
    (
        Conflict,
        Cinder,
        400,
        "badRequest",
        "Volume attachments can not be created if the volume is in an error state. The Volume 5f currently has a status of: error",
    ),
    (
        Conflict,
        Neutron,
        409,
        "NetworkInUse",
        "Unable to complete operation on network 7e5. There are one or more ports still in use on the network.",
    ),
    (Conflict, Neutron, 409, "FloatingIPPortAlreadyAssociated", "Cannot associate floating IP."),
    // No room.
    (Capacity, Neutron, 409, "IpAddressGenerationFailure", "No more IP addresses available on network 7e5."),
    (Capacity, Nova, 400, "badRequest", "No fixed IP addresses available for network: 7e5"),
    // Not there.
    (NotFound, Nova, 404, "itemNotFound", "Instance 77 could not be found."),
    (NotFound, Cinder, 404, "itemNotFound", "Volume type with name nope could not be found."),
    (NotFound, Neutron, 404, "PortNotFound", "Port 5f could not be found."),
    (Unreachable, Nova, 404, "", "The resource could not be found."),
    (Unreachable, Neutron, 404, "HTTPNotFound", "The resource could not be found."),
    // No answer worth the name.
    (
        Unreachable,
        Nova,
        500,
        "computeFault",
        "Unexpected API Error. <class 'keystoneauth1.exceptions.connection.ConnectFailure'>",
    ),
    (Unreachable, Nova, 500, "computeFault", "<class 'oslo_messaging.exceptions.MessagingTimeout'>"),
    (Unreachable, Nova, 503, "", "The Keystone service is temporarily unavailable."),
    (Unreachable, Neutron, 502, "", "Bad Gateway"),
    (Unreachable, Nova, 302, "", ""),
];

const FAULTS: &[(Class, &str)] = &[
    (Capacity, "No valid host was found. "),
    (
        Capacity,
        "Exceeded maximum number of retries. Exhausted all hosts available for retrying build failures for instance 77.",
    ),
    (
        Quota,
        "Build of instance 77 aborted: VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota.",
    ),
    (
        Invalid,
        "Build of instance 77 aborted: VolumeSizeExceedsLimit: Requested volume size 9G is larger than maximum allowed limit 8G.",
    ),
    (
        Unreachable,
        "Build of instance 77 aborted: Volume 5f did not finish being created even after we waited 3 seconds or 2 attempts. And its status is error.",
    ),
    (Capacity, "Build of instance 77 aborted: No more IP addresses available on network 7e5."),
    (NotFound, "Build of instance 77 aborted: Image 11 could not be found."),
    (Conflict, "Build of instance 77 aborted: Port 5f is still in use."),
    (Invalid, "Build of instance 77 aborted: Flavor's disk is too small for requested image."),
    (Unreachable, "internal error: qemu unexpectedly closed the monitor"),
    (Unreachable, ""),
];

#[test]
fn refusals_are_what_their_words_say() {
    for (class, service, status, key, message) in REFUSALS {
        let status = StatusCode::from_u16(*status).unwrap();

        assert_eq!(refusal(*service, status, key, message), *class, "{service} {status} {message}");
    }
}

#[test]
fn faults_are_what_their_words_say() {
    for (class, text) in FAULTS {
        assert_eq!(fault(text), *class, "{text}");
    }
}
