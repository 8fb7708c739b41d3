"""What passes, and what is done to it."""

import http.client
import http.server
import json
import re
import socket
import threading
import time

# What stands where an id would.
WORDS = {"detail", "tokens", "details.json", "default", "defaults"}
# Those of one connection, not of the request.
HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host"}
UNAVAILABLE = b"<html><body><h1>503 Service Unavailable</h1>\nNo server is available to handle this request.\n</body></html>\n"


class Traffic:
    """Every call in order, and the faults that are armed. All of it under one lock."""

    def __init__(self):
        self.lock = threading.Lock()
        self.calls = []
        self.faults = []

    def begin(self, service, method, path, body):
        call = {"service": service, "template": template(service, method, path, body), "path": path, "method": method,
                "status": None, "at": time.time(), "took": None, "body": body}
        with self.lock:
            self.calls.append(call)
            for fault in self.faults:
                if fault.meets(call):
                    return call, fault.effect
        return call, None

    def end(self, call, status):
        with self.lock:
            call["status"] = status
            call["took"] = round(time.time() - call["at"], 4)

    def forget(self):
        with self.lock:
            self.calls = []

    def counted(self):
        counts = {}
        with self.lock:
            for call in self.calls:
                key = (call["service"], call["template"], call["status"] or 0)
                counts[key] = counts.get(key, 0) + 1
        return [{"service": key[0], "template": key[1], "status": key[2], "count": count} for key, count in sorted(counts.items())]


class Fault:
    """As tests/devcloud has them: each request that fits meets it, `skip` let through first, `times` at most."""

    def __init__(self, told):
        self.told = told
        self.effect = told["effect"]
        self.seen = 0

    def meets(self, call):
        told = self.told
        if told.get("service") not in (None, call["service"]) or told.get("method") not in (None, call["method"]):
            return False
        if told.get("path") and not any(re.search(told["path"], call[key]) for key in ("template", "path")):
            return False
        if told.get("body") and not re.search(told["body"], json.dumps(call["body"])):
            return False
        skip, times = told.get("skip", 0), told.get("times")
        if times is not None and self.seen >= skip + times:
            return False
        self.seen += 1
        return self.seen > skip


def template(service, method, path, body):
    parts = [part for part in path.partition("?")[0].split("/") if part][2 if service == "cinder" else 1:]
    shape = ["{id}" if at % 2 and part not in WORDS else part for at, part in enumerate(parts)]
    text = "%s /%s" % (method, "/".join(shape))
    if parts[-1:] == ["action"] and isinstance(body, dict) and body:
        text += " " + next(iter(body))
    return text


def seconds(text):
    text = str(text)
    return float(text[:-2]) / 1000 if text.endswith("ms") else float(text.removesuffix("s"))


class Gate(http.server.ThreadingHTTPServer):
    """The port of one service."""

    daemon_threads = True

    def __init__(self, address, service, port, log):
        self.service, self.port, self.log = service, port, log
        super().__init__(address, Handler)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def pass_on(self):
        length = int(self.headers.get("Content-Length") or 0)
        content = self.rfile.read(length)
        if len(content) < length:
            # It was cut: a part of a body is none.
            self.close_connection = True
            return
        try:
            body = json.loads(content) if content else None
        except ValueError:
            body = None
        server = self.server
        call, effect = server.log.begin(server.service, self.command, self.path, body)
        kind, when = (effect["kind"], effect.get("when", "before")) if effect else (None, None)
        if kind == "slow" and when == "before":
            time.sleep(seconds(effect["by"]))
        if when == "before" and kind in ("answer", "drop"):
            return self.instead(call, effect)
        status, headers, answer = self.ask(content)
        if kind == "slow" and when == "after":
            time.sleep(seconds(effect["by"]))
        if when == "after" and kind in ("answer", "drop"):
            return self.instead(call, effect)
        server.log.end(call, status)
        return self.answer(status, headers, answer)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = pass_on

    def ask(self, content):
        """A service that is not there is 503, as behind the load balancer of a cloud."""
        upstream = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=300)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP}
        # With the name that was asked for: services make links of it.
        headers.update({"Host": self.headers.get("Host", ""), "Connection": "close"})
        try:
            upstream.request(self.command, self.path, content or None, headers)
            reply = upstream.getresponse()
            return reply.status, reply.getheaders(), reply.read()
        except (OSError, http.client.HTTPException):
            return 503, [("Content-Type", "text/html")], UNAVAILABLE
        finally:
            upstream.close()

    def instead(self, call, effect):
        if effect["kind"] == "drop":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.server.log.end(call, effect["status"])
        body = effect.get("body")
        content = b"" if body is None else (body if isinstance(body, str) else json.dumps(body)).encode()
        self.answer(effect["status"], [("Content-Type", "application/json")] + [tuple(pair) for pair in effect.get("headers", [])], content)

    def answer(self, status, headers, content):
        lines = ["HTTP/1.1 %d %s" % (status, http.client.responses.get(status, ""))]
        lines += ["%s: %s" % (name, value) for name, value in headers if name.lower() not in HOP]
        if status != 204:
            lines.append("Content-Length: %d" % len(content))
        try:
            self.wfile.write(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + (b"" if self.command == "HEAD" else content))
        except OSError:
            # Nobody waits for it any more.
            self.close_connection = True

    def log_message(self, *_):
        pass
