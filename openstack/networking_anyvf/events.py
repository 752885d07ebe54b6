# SPDX-License-Identifier: Apache-2.0
"""What neutron-server tells all agents, gathered for the agent's loop."""
import threading

import oslo_messaging


class News:
    """What there is to look at since the last time."""

    def __init__(self, everything=False):
        self.everything = everything  # all ports of the host
        self.ports, self.deleted, self.networks = set(), set(), set()  # ids


class Callbacks:
    """Endpoint of the agents' fanout topics. Its methods run in RPC threads."""

    target = oslo_messaging.Target(version='1.5')

    def __init__(self):
        self.wake = threading.Event()
        self._news, self._lock = News(everything=True), threading.Lock()

    def take(self) -> News:
        """All news, which are the caller's then."""
        with self._lock:
            news, self._news = self._news, News()
        return news

    def again(self):
        """Everything has to be looked at."""
        with self._lock:
            self._news.everything = True
        self.wake.set()

    def look_at(self, ports=(), deleted=(), networks=()):
        """Note ids, and wake the loop."""
        with self._lock:
            self._news.ports.update(ports)
            self._news.deleted.update(deleted)
            self._news.networks.update(networks)
        self.wake.set()

    def port_update(self, context, **kwargs):
        """A port is another than it was."""
        self.look_at(ports=[kwargs['port']['id']])

    def port_delete(self, context, **kwargs):
        """A port is no more."""
        self.look_at(deleted=[kwargs['port_id']])

    def network_update(self, context, **kwargs):
        """A network is another: its MTU, or its QoS policy."""
        self.look_at(networks=[kwargs['network']['id']])

    def binding_activate(self, context, **kwargs):
        """A port is bound here, or elsewhere."""
        self.look_at(ports=[kwargs['port_id']])

    def binding_deactivate(self, context, **kwargs):
        """A port is bound here no more, or elsewhere."""
        self.look_at(ports=[kwargs['port_id']])
