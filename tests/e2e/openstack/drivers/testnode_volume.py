"""Cinder's fake volumes, made of nothing, with trouble on demand."""

import time

from cinder import exception
from cinder.tests import fake_driver

import testnode_knobs as knobs


class Driver(fake_driver.FakeLoggingVolumeDriver):
    def create_volume(self, volume):
        time.sleep(knobs.seconds("volume-create"))
        if knobs.fits("volume-fails", volume.display_name):
            raise exception.VolumeBackendAPIException(data="the backend was told to fail")
        return super().create_volume(volume)

    def delete_volume(self, volume):
        time.sleep(knobs.seconds("volume-delete"))
        if knobs.fits("volume-delete-fails", volume.display_name):
            raise exception.VolumeBackendAPIException(data="the backend was told not to let go")
        return super().delete_volume(volume)

    def clone_image(self, context, volume, image_location, image_meta, image_service):
        # As a backend that has the image already.
        return {}, True
