"""A Buildbot worker whose machine is a TestNode: the node is made before a build and deleted after it."""

from string import Template

import kubernetes
from buildbot.interfaces import LatentWorkerFailedToSubstantiate
from buildbot.worker.latent import AbstractLatentWorker
from kubernetes.client import ApiException
from twisted.internet import defer, reactor, task, threads

TESTNODES = {"group": "testnode.dev", "version": "v1alpha1", "plural": "testnodes"}


class TestNodeLatentWorker(AbstractLatentWorker):
    """Makes the TestNode `name` in `namespace` with `spec`; its user data is to start a worker that logs in to the master.

    In `user_data`, `$name` and `$password` are the worker's. Without a `password` the master makes one whenever it
    starts.
    """

    api = None
    uid = None  # of the node that this process made

    def checkConfig(self, name, password=None, *, spec, user_data, namespace="default", **kwargs):
        super().checkConfig(name, password, **kwargs)

    @defer.inlineCallbacks
    def reconfigService(self, name, password=None, *, spec, user_data, namespace="default", **kwargs):
        yield super().reconfigService(name, password or self.getRandomPass(), **kwargs)
        self.spec, self.user_data, self.namespace = spec, Template(user_data), namespace
        if self.api is None:
            kubernetes.config.load_config()  # $KUBECONFIG, ~/.kube/config, or the ServiceAccount of the pod
            self.api = kubernetes.client.CustomObjectsApi()
            yield self.delete()  # what a master left that was killed

    def ask(self, verb, **kwargs):
        call = getattr(self.api, f"{verb}_namespaced_custom_object")
        return threads.deferToThread(call, namespace=self.namespace, **TESTNODES, **kwargs)

    @defer.inlineCallbacks
    def start_instance(self, build):
        user_data = self.user_data.substitute(name=self.name, password=self.password)
        node = {
            "apiVersion": "testnode.dev/v1alpha1",
            "kind": "TestNode",
            "metadata": {"name": self.name},
            "spec": {**self.spec, "userData": user_data},
        }
        while self.uid is None:
            try:
                made = yield self.ask("create", body=node)
                self.uid = made["metadata"]["uid"]
            except ApiException as error:
                if error.status != 409:
                    raise LatentWorkerFailedToSubstantiate(self.name, error.body or error.reason) from error
                # The node of the build before is not gone yet.
                yield self.delete()
                yield task.deferLater(reactor, 2)
        return True

    @defer.inlineCallbacks
    def check_instance(self):
        """Ends the wait early for a machine that cannot be had, with the operator's words."""
        node = yield self.ask("get", name=self.name)
        ready = next((c for c in node.get("status", {}).get("conditions", []) if c["type"] == "Ready"), {})
        failed = node.get("status", {}).get("phase") in ("Failed", "Held")
        return not failed, f"{ready.get('reason')}: {ready.get('message')}"

    @defer.inlineCallbacks
    def stop_instance(self, fast=False):
        uid, self.uid = self.uid, None
        if uid is not None:
            yield self.delete(preconditions={"uid": uid})

    @defer.inlineCallbacks
    def delete(self, **options):
        """The node is gone when all of it is: the operator sees to that, also when this process has ended."""
        try:
            yield self.ask("delete", name=self.name, body={"kind": "DeleteOptions", "apiVersion": "v1", **options})
        except ApiException as error:
            if error.status not in (404, 409):  # gone already, or another node of that name
                raise
