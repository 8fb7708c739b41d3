"""Makes Neutron's tables straight from its models."""

import sys

from neutron.common import config
from neutron.db.migration.models import head
from neutron_lib.db import api
from neutron_lib.db import model_base


def main():
    config.register_common_config_options()
    config.init(sys.argv[1:])
    assert head
    with api.CONTEXT_WRITER.writer.get_engine().begin() as connection:
        model_base.BASEV2.metadata.create_all(connection)
