# SPDX-License-Identifier: Apache-2.0
"""The agent's program. Up to 2025.1 neutron_lib's RPC server runs on eventlet: it must come first."""
import sys

try:
    from neutron.common import eventlet_utils
    eventlet_utils.monkey_patch()
except (ImportError, AttributeError):  # newer releases have threads
    pass
# pylint: disable=wrong-import-position
from neutron.agent.l2 import l2_agent_extensions_manager as extensions  # noqa: E402
from neutron.common import config as common_config  # noqa: E402
from neutron.conf import service as service_conf  # noqa: E402
from neutron.conf.agent import common as agent_conf  # noqa: E402
from oslo_config import cfg  # noqa: E402

from networking_anyvf import agent  # noqa: E402


def main():
    """neutron-anyvf-agent; runs until it is killed."""
    common_config.register_common_config_options()
    service_conf.register_service_opts(service_conf.RPC_EXTRA_OPTS, cfg.CONF)  # neutron_lib asks for them at a timeout
    agent_conf.register_agent_state_opts_helper(cfg.CONF)
    extensions.register_opts(cfg.CONF)
    common_config.init(sys.argv[1:])
    common_config.setup_logging()
    agent.Agent.from_config().run()
