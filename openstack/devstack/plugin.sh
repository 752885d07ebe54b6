#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# devstack's plugin: the package, neutron-server's words, the agent and, for vnic_type direct, nova-compute's. Not run.
# anyvf-swd and its PF are there before (docs/howto/openstack.md, 1); devstack wants a repository whose top this
# directory's parent is: `git subtree split -P openstack`.

function anyvf_install {
	setup_develop "$DEST/networking-anyvf"
	sudo install -m 644 "$DEST/networking-anyvf/etc/anyvf-qemu.conf" /etc/tmpfiles.d/anyvf-qemu.conf
	sudo systemd-tmpfiles --create anyvf-qemu.conf
	# All of devstack's agents are this account's: the control sockets, and the directory of QEMU's sockets.
	sudo usermod -aG anyvf,libvirt-qemu "$STACK_USER"
}

# The section [anyvf] of a file, which agents and nova-compute have alike.
function anyvf_words {
	iniset "$1" anyvf run_dir "$ANYVF_RUN_DIR"
	iniset "$1" anyvf vhostuser_socket_dir "$ANYVF_SOCKET_DIR"
	iniset "$1" anyvf physical_device_mappings "$ANYVF_PHYSICAL_NETWORK:$ANYVF_PF"
	iniset "$1" anyvf direct_vfs "$ANYVF_DIRECT_VFS"
}

function anyvf_configure_agents {
	local conf
	anyvf_words "$ANYVF_AGENT_CONF"
	iniset "$ANYVF_AGENT_CONF" agent extensions qos
	for conf in "$Q_DHCP_CONF_FILE" "$Q_L3_CONF_FILE"; do
		[[ -f $conf ]] || continue
		iniset "$conf" DEFAULT interface_driver networking_anyvf.interface.AnyvfInterfaceDriver
		anyvf_words "$conf"
	done
}

function anyvf_configure_server {
	iniset "/$Q_PLUGIN_CONF_FILE" ml2_type_flat flat_networks "$ANYVF_PHYSICAL_NETWORK"
	iniset "/$Q_PLUGIN_CONF_FILE" ml2 extension_drivers port_security,qos
}

# Guests' memory is shared: by anyvf-nova-compute, or by a file for each.
function anyvf_configure_nova {
	local conf
	iniset "$NOVA_CONF" DEFAULT instance_build_timeout 300
	iniset "$NOVA_CONF" libvirt rx_queue_size 1024
	iniset "$NOVA_CONF" libvirt tx_queue_size 1024
	if ((ANYVF_DIRECT_VFS > 0)); then
		anyvf_words "$NOVA_CPU_CONF"
		iniset "$NOVA_CPU_CONF" DEFAULT compute_driver anyvf.LibvirtDriver
		for conf in "$NOVA_CONF" "$NOVA_CPU_CONF"; do
			iniset "$conf" pci device_spec \
				"{\"address\": \"a000:*:*.*\", \"physical_network\": \"$ANYVF_PHYSICAL_NETWORK\"}"
		done
	else
		iniset "$NOVA_CONF" libvirt file_backed_memory "$(awk '/^MemTotal/ { print int($2 / 2048) }' /proc/meminfo)"
		iniset "$NOVA_CONF" DEFAULT ram_allocation_ratio 1.0
	fi
}

# nova-compute is devstack's process; of ours it is another program with the same words.
function anyvf_nova_compute {
	stop_process n-cpu
	run_process n-cpu "$NOVA_BIN_DIR/anyvf-nova-compute --config-file $NOVA_CPU_CONF" "$LIBVIRT_GROUP"
}

if is_service_enabled anyvf-agent; then
	case $1-${2:-} in
	stack-install) anyvf_install ;;
	stack-post-config)
		anyvf_configure_server
		anyvf_configure_agents
		is_service_enabled nova && anyvf_configure_nova
		;;
	stack-extra)
		run_process anyvf-agent "$NEUTRON_BIN_DIR/neutron-anyvf-agent --config-file $NEUTRON_CONF \
			--config-file $ANYVF_AGENT_CONF"
		if is_service_enabled n-cpu && ((ANYVF_DIRECT_VFS > 0)); then
			anyvf_nova_compute
		fi
		;;
	unstack-*) stop_process anyvf-agent ;;
	clean-*) sudo rm -f "$ANYVF_AGENT_CONF" /etc/tmpfiles.d/anyvf-qemu.conf ;;
	esac
fi
