# SPDX-License-Identifier: Apache-2.0
"""Makes Tap as a Service's tables in Neutron's database, for Debian 12's package left its migrations out.

python3 -m networking_anyvf.taas_tables --config-file /etc/neutron/neutron.conf; tables that are there stay.
"""
import sys

from neutron.db.models_v2 import Port  # noqa: F401  what the tables refer to
from neutron_lib.db import model_base
from neutron_taas.db import taas_db
from oslo_config import cfg
from oslo_db import options
import sqlalchemy


def main(argv):
    """In the database that neutron-server has."""
    conf = cfg.ConfigOpts()
    options.set_defaults(conf)
    conf(argv, project='neutron')
    tables = [model.__table__ for model in (taas_db.TapService, taas_db.TapFlow, taas_db.TapIdAssociation)]
    model_base.BASEV2.metadata.create_all(sqlalchemy.create_engine(conf.database.connection), tables=tables)


if __name__ == '__main__':
    main(sys.argv[1:])
