"""Stands between the operator and the real OpenStack: counts what is asked, and makes trouble when told to.

gateway CONFIG. Each service has a port of its own here, which the catalog of Keystone names. One more port answers for
the test, with the paths that tests/devcloud has: /devcloud/state, requests, calls, faults, knobs and clouds.yaml.
"""

import json
import sys
import threading

import control
import traffic


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        config = json.load(file)
    log = traffic.Traffic()
    for name, ports in config["services"].items():
        service = "keystone" if name == "keystone-brief" else name
        server = traffic.Gate(("127.0.0.1", ports["public"]), service, ports["port"], log)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    control.Control(("127.0.0.1", config["control"]), config, log).serve_forever()


main()
