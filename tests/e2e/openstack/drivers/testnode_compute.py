"""Nova's fake hypervisor, with guests that speak on their consoles and with trouble on demand."""

import datetime
import time

from nova import exception
from nova.compute import power_state
from nova.virt import fake
from nova.virt import hardware

import testnode_console
import testnode_knobs as knobs


class Driver(fake.FakeDriver):
    def spawn(self, context, instance, *args, **kwargs):
        time.sleep(knobs.seconds("server-build"))
        if knobs.fits("server-fails", instance.display_name):
            raise exception.NovaException("the hypervisor was told to fail")
        super().spawn(context, instance, *args, **kwargs)

    def destroy(self, context, instance, *args, **kwargs):
        time.sleep(knobs.seconds("server-delete"))
        if knobs.fits("server-delete-fails", instance.display_name):
            raise exception.NovaException("the hypervisor was told not to let go")
        super().destroy(context, instance, *args, **kwargs)

    def get_info(self, instance, use_cache=True):
        try:
            return super().get_info(instance, use_cache)
        except exception.InstanceNotFound:
            # Forgotten by a restart of this service; its guests would have gone on.
            if instance.vm_state != "active":
                raise
            return hardware.InstanceInfo(state=power_state.RUNNING)

    def get_console_output(self, context, instance):
        started = instance.launched_at or datetime.datetime.now(datetime.timezone.utc)
        return testnode_console.read(instance.uuid, instance.hostname, instance.display_name, started, instance.user_data)
