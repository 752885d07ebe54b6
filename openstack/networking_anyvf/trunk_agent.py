# SPDX-License-Identifier: Apache-2.0
"""Trunks on the host, by Neutron's trunk RPC: which subports a parent has, and how its trunk is."""
from neutron.api.rpc.handlers import resources_rpc
from neutron.services.trunk.rpc import agent as trunk_rpc
from neutron_lib.services.trunk import constants as trunk_consts
from oslo_log import log as logging
import oslo_messaging

from networking_anyvf import translate

LOG = logging.getLogger(__name__)


class Trunks(trunk_rpc.TrunkSkeleton):
    """What was heard of trunks goes to the agent's loop, which asks for the trunk of each parent it wires."""

    def __init__(self, callbacks, stub=None):
        self.callbacks, self.stub = callbacks, stub or trunk_rpc.TrunkStub()
        self.parents = {}  # {trunk id: id of its parent}, of trunks on this host
        self.bound = {}  # {trunk id: ids of the subports that were bound to this host}
        self.served = True  # neutron-server has the trunk plugin
        super().__init__()

    def handle_trunks(self, context, resource_type, trunks, event_type):
        """A trunk came, changed or went."""
        self.callbacks.look_at(ports=[trunk.port_id for trunk in trunks])

    def handle_subports(self, context, resource_type, subports, event_type):
        """Subports came or went; those of trunks elsewhere are nobody's here."""
        mine = {self.parents[sub.trunk_id] for sub in subports if sub.trunk_id in self.parents}
        self.callbacks.look_at(ports=mine)

    def of(self, context, port_id):
        """The trunk whose parent a port is, with its subports; None. Raises what RPC does."""
        if not self.served:
            return None
        try:
            trunk = self.stub.get_trunk_details(context, port_id)
        except resources_rpc.ResourceNotFound:
            trunk = None
        except oslo_messaging.RemoteError as e:
            if e.exc_type != 'CallbackNotFound':
                raise
            self.served, trunk = False, None
        if trunk:
            self.parents[trunk.id] = port_id
        else:
            self.forget(port_id)
        return trunk

    def forget(self, port_id):
        """A port is no parent any more, or not here."""
        for ident in [t for t, parent in self.parents.items() if parent == port_id]:
            del self.parents[ident]
            self.bound.pop(ident, None)

    def parents_of(self, ports):
        """Parents of those of the ports that are subports here."""
        return {self.parents[ident] for ident, subs in self.bound.items()
                if ident in self.parents and subs & set(ports)}

    def bind(self, context, trunk):
        """Bind subports to this host as their parent is; Refused if one of them cannot be."""
        wanted = {sub.port_id for sub in trunk.sub_ports}
        new = [sub for sub in trunk.sub_ports
               if sub.port_id not in self.bound.get(trunk.id, ())]
        if new:
            got = self.stub.update_subport_bindings(context, new)
            if len(got.get(trunk.id, ())) != len(new):
                raise translate.Refused(f'trunk {trunk.id}: not all subports could be bound; see '
                                        "neutron-server's log")
        self.bound[trunk.id] = wanted

    def tell(self, context, trunk, error=False):
        """neutron-server: the trunk is wired, or it is not."""
        status = trunk_consts.TRUNK_ERROR_STATUS if error else trunk_consts.TRUNK_ACTIVE_STATUS
        self.stub.update_trunk_status(context, trunk.id, status)
