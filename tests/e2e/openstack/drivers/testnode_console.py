"""What a guest with cloud-init has said on its console by now."""

import base64
import datetime
import email
import hashlib
import struct

import yaml

import testnode_knobs as knobs

DEFAULT = "Cloud-init v. {{version}} finished at {{timestamp}}. Datasource {{datasource}}.  Up {{uptime}} seconds"
STAMP = "%a, %d %b %Y %H:%M:%S +0000"


def read(uuid, hostname, name, started, user_data):
    """All of it, as it is after the seconds that the knob `guest-boot` says; a file `console-NAME` says another text."""
    instead = knobs.text("console-" + name, None)
    if instead is not None:
        return instead
    lines = ["[    0.000000] Linux version 6.1.0-18-cloud-amd64 (debian-kernel@lists.debian.org)"]
    boot = knobs.seconds("guest-boot")
    now = datetime.datetime.now(datetime.timezone.utc)
    if now < started + datetime.timedelta(seconds=boot):
        return "\r\n".join(lines + ["%s login: " % hostname])
    when = (started + datetime.timedelta(seconds=boot)).strftime(STAMP)
    lines.append(
        "[   10.000000] cloud-init[412]: Cloud-init v. 22.4.2 running 'modules:final' at %s. Up 10.00 seconds." % when
    )
    lines += host_keys(uuid, hostname)
    message = final_message(user_data) or DEFAULT
    words = {"version": "22.4.2", "timestamp": when, "uptime": "12.00",
             "datasource": "DataSourceOpenStackLocal [net,ver=2]"}
    for word, value in words.items():
        message = message.replace("{{%s}}" % word, value).replace("$" + word, value)
    said = message.rstrip().splitlines()
    lines += ["[   12.000000] cloud-init[987]: " + said[0]] + said[1:]
    return "\r\n".join(lines) + "\r\n"


def host_keys(uuid, hostname):
    secret = hashlib.sha256(uuid.encode()).digest()
    blob = b"".join(struct.pack(">I", len(part)) + part for part in (b"ssh-ed25519", secret))
    key = base64.b64encode(blob).decode()
    return [
        "-----BEGIN SSH HOST KEY KEYS-----",
        "ssh-ed25519 %s root@%s" % (key, hostname),
        "-----END SSH HOST KEY KEYS-----",
    ]


def final_message(user_data):
    """The one that the user data asks for: the first, as its parts are merged that way."""
    if not user_data:
        return None
    for part in email.message_from_bytes(base64.b64decode(user_data)).walk():
        content = part.get_payload(decode=True)
        if content is None:
            continue
        if part.get_content_type() == "text/plain" and not part.is_multipart():
            content = base64.b64decode(user_data) if b"#cloud-config" not in content else content
        if not content.lstrip().startswith(b"#cloud-config"):
            continue
        config = yaml.safe_load(content) or {}
        if "final_message" in config:
            message = str(config["final_message"])
            return message.partition("\n")[2] if message.startswith("## template: jinja") else message
    return None
