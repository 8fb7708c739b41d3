"""What a test asks: what there is, what was asked, and for trouble."""

import http.server
import json
import os

import requests
import yaml

import traffic

# What can be turned, and what it is at rest. The drivers read it from files.
KNOBS = ("server_build", "server_delete", "server_fails", "server_delete_fails", "volume_create", "volume_delete",
         "volume_fails", "volume_delete_fails", "guest_boot")
TIMES = ("server_build", "server_delete", "volume_create", "volume_delete", "guest_boot")


class Control(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address, config, log):
        self.log = log
        self.inside = Inside(config)
        self.knobs = config["knobs"]
        self.clouds = config["clouds"]
        super().__init__(address, Handler)

    def turn(self, wanted):
        for name, value in wanted.items():
            if name not in KNOBS:
                raise ValueError("no such knob: %s" % name)
            text = str(traffic.seconds(value)) if name in TIMES and value else str(value)
            path = os.path.join(self.knobs, name.replace("_", "-"))
            with open(path + ".part", "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(path + ".part", path)


class Inside:
    """Asks the services as their admin, past the gates."""

    def __init__(self, config):
        self.services, self.password = config["services"], config["password"]
        self.session = requests.Session()

    def login(self):
        user = {"name": "admin", "domain": {"id": "default"}, "password": self.password}
        scope = {"project": {"name": "admin", "domain": {"id": "default"}}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
        reply = self.session.post(self.url("keystone", "/v3/auth/tokens"), json=body, timeout=30)
        reply.raise_for_status()
        self.session.headers["X-Auth-Token"] = reply.headers["X-Subject-Token"]
        self.project = reply.json()["token"]["project"]["id"]

    def url(self, service, path):
        return "http://127.0.0.1:%d%s" % (self.services[service]["port"], path)

    def ask(self, method, service, path, body=None, headers=None):
        for again in (False, True):
            if again or "X-Auth-Token" not in self.session.headers:
                self.login()
            url = self.url(service, path.replace("ADMIN", self.project))
            reply = self.session.request(method, url, json=body, timeout=90, headers=headers)
            if reply.status_code != 401:
                break
        return reply

    def list(self, service, path, key):
        reply = self.ask("GET", service, path, headers=microversions(service))
        reply.raise_for_status()
        return reply.json()[key]

    def state(self):
        return {
            "servers": self.list("nova", "/v2.1/servers/detail?all_tenants=1&limit=1000", "servers"),
            "volumes": self.list("cinder", "/v3/ADMIN/volumes/detail?all_tenants=1&limit=1000", "volumes"),
            "ports": self.list("neutron", "/v2.0/ports", "ports"),
            "attachments": self.list("cinder", "/v3/ADMIN/attachments/detail?all_tenants=1", "attachments"),
            "floating_ips": self.list("neutron", "/v2.0/floatingips", "floatingips"),
        }


class Tester:
    """The lab's ordinary user, who may make application credentials and take them back."""

    def __init__(self, inside, clouds):
        with open(clouds, encoding="utf-8") as file:
            self.cloud = yaml.safe_load(file)["clouds"]["lab-app"]
            file.seek(0)
            auth = yaml.safe_load(file)["clouds"]["lab"]["auth"]
        user = {"name": auth["username"], "domain": {"id": "default"}, "password": auth["password"]}
        scope = {"project": {"name": auth["project_name"], "domain": {"id": "default"}}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": scope}}
        reply = requests.post(inside.url("keystone", "/v3/auth/tokens"), json=body, timeout=30)
        reply.raise_for_status()
        self.headers = {"X-Auth-Token": reply.headers["X-Subject-Token"]}
        self.url = inside.url("keystone", "/v3/users/%s/application_credentials" % reply.json()["token"]["user"]["id"])

    def entrust(self, name):
        """A clouds.yaml with a credential of that name."""
        body = {"application_credential": {"name": name}}
        reply = requests.post(self.url, json=body, headers=self.headers, timeout=30)
        reply.raise_for_status()
        made = reply.json()["application_credential"]
        auth = {"auth_url": self.cloud["auth"]["auth_url"], "application_credential_id": made["id"],
                "application_credential_secret": made["secret"]}
        return yaml.safe_dump({"clouds": {"lab": {**self.cloud, "auth": auth}}}).encode()

    def revoke(self, name):
        reply = requests.get(self.url, params={"name": name}, headers=self.headers, timeout=30)
        reply.raise_for_status()
        for one in reply.json()["application_credentials"]:
            requests.delete(self.url + "/" + one["id"], headers=self.headers, timeout=30).raise_for_status()


class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self):
        length = int(self.headers.get("Content-Length") or 0)
        content = self.rfile.read(length)
        # What stands after it is for the service itself.
        path = self.path.removeprefix("/devcloud")
        try:
            status, said = self.do(path, json.loads(content) if content else None)
        except (ValueError, KeyError, requests.RequestException) as error:
            status, said = 400, {"error": repr(error)}
        content = said if isinstance(said, bytes) else json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = answer

    def do(self, path, body):
        server = self.server
        log = server.log
        if path.startswith("/inside/"):
            service, _, rest = path.removeprefix("/inside/").partition("/")
            reply = server.inside.ask(self.command, service, "/" + rest, body, microversions(service))
            return reply.status_code, reply.content
        if path.startswith("/credentials/"):
            tester, name = Tester(server.inside, server.clouds), path.removeprefix("/credentials/")
            return 200, tester.entrust(name) if self.command == "POST" else tester.revoke(name)
        asked = (self.command, path.strip("/"))
        if asked == ("GET", "state"):
            return 200, server.inside.state()
        if asked == ("GET", "requests"):
            return 200, log.counted()
        if asked == ("DELETE", "requests"):
            log.forget()
        elif asked == ("GET", "calls"):
            with log.lock:
                return 200, list(log.calls)
        elif asked == ("POST", "faults"):
            with log.lock:
                log.faults.append(traffic.Fault(body))
        elif asked == ("DELETE", "faults"):
            with log.lock:
                log.faults = []
        elif asked == ("GET", "knobs"):
            return 200, dict.fromkeys(KNOBS, "")
        elif asked == ("POST", "knobs"):
            server.turn(body)
        elif asked == ("GET", "clouds.yaml"):
            with open(server.clouds, "rb") as file:
                return 200, file.read()
        else:
            return 404, {"error": "nothing at %s %s" % (self.command, path)}
        return 200, {}

    def log_message(self, *_):
        pass


def microversions(service):
    return {"nova": {"X-OpenStack-Nova-API-Version": "2.90"},
            "cinder": {"OpenStack-API-Version": "volume 3.27"}}.get(service, {})
