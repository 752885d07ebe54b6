# SPDX-License-Identifier: Apache-2.0
"""taas_tables.py DATABASE: makes Tap as a Service's tables, for Debian 12's package left its migrations out."""
import sys

from neutron.db.models_v2 import Port  # noqa: F401  what the tables refer to
from neutron_lib.db import model_base
from neutron_taas.db import taas_db
import sqlalchemy

TABLES = [model.__table__ for model in (taas_db.TapService, taas_db.TapFlow, taas_db.TapIdAssociation)]
model_base.BASEV2.metadata.create_all(sqlalchemy.create_engine(sys.argv[1]), tables=TABLES)
