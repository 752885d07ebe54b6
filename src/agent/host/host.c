/* SPDX-License-Identifier: Apache-2.0 */
/* Facts about the host the agent runs on. */
#include "agent/host/host.h"

#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "base/file.h"
#include "base/spawn.h"

#define PROBE_TIMEOUT_MS 1500
#define PROBE_PORT	 "0xf4" /* QEMU's isa-debug-exit: OUT value v ends QEMU with (v << 1) | 1 */

/**
 * host_boot_id() - Which boot of the host this is
 * @out: gets the kernel's boot id, or "" where there is none
 */
void host_boot_id(char out[HOST_BOOT_ID_LEN])
{
	auto_free char *text = NULL;

	out[0] = '\0';
	if (!file_read("/proc/sys/kernel/random/boot_id", 128, &text, NULL, NULL))
		snprintf(out, HOST_BOOT_ID_LEN, "%.36s", text);
}

/**
 * host_has_kvm() - Does KVM run guests here?
 * @scratch_dir: for the probe's boot sector
 *
 * /dev/kvm may exist and its guests hang (nested virtualization that is half there). So this boots
 * one sector under KVM that writes 0x10 to the debug port; only QEMU's exit with 33 is a yes.
 *
 * Return: whether the probe's guest ran to its end. Context: blocks up to 1.5 s; not in the loop.
 */
bool host_has_kvm(const char *scratch_dir)
{
	/* mov al, 0x10; out 0xf4, al; hlt; and the signature a BIOS boots */
	static const uint8_t code[] = { 0xb0, 0x10, 0xe6, 0xf4, 0xf4 };
	uint8_t sector[512] = { [510] = 0x55, [511] = 0xaa };
	char path[512], drive[600];
	const char *const argv[] = { "qemu-system-x86_64",
				     "-accel",
				     "kvm",
				     "-cpu",
				     "host", /* as domains have it */
				     "-machine",
				     "pc",
				     "-m",
				     "16",
				     "-nodefaults",
				     "-no-user-config",
				     "-display",
				     "none",
				     "-device",
				     "isa-debug-exit,iobase=" PROBE_PORT ",iosize=1",
				     "-drive",
				     drive,
				     NULL };
	struct err e = { 0 };

	memcpy(sector, code, sizeof(code));
	snprintf(path, sizeof(path), "%s/kvm-probe", scratch_dir);
	snprintf(drive, sizeof(drive), "file=%s,format=raw,if=floppy,readonly=on", path);
	if (access("/dev/kvm", R_OK | W_OK) ||
	    file_replace(path, sector, sizeof(sector), 0600, NULL))
		return false;
	spawn_run(argv, PROBE_TIMEOUT_MS, NULL, 0, &e);
	unlink(path);
	return strstr(e.msg, "(exit 33)") != NULL;
}

/**
 * host_address() - The host's address as others know it: that of its default route
 * @out: buffer of HOST_ADDRESS_LEN bytes; "" without such a route
 *
 * A UDP socket that is connected asks the routing table and sends nothing; the far end is an
 * address of documentation (RFC 5737), which is nobody's. Nova finds its my_ip alike.
 */
void host_address(char out[HOST_ADDRESS_LEN])
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(9) };
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	out[0] = '\0';
	inet_pton(AF_INET, "192.0.2.1", &at.sin_addr);
	if (fd >= 0 && !connect(fd, (struct sockaddr *)&at, sizeof(at)) &&
	    !getsockname(fd, (struct sockaddr *)&at, &len))
		inet_ntop(AF_INET, &at.sin_addr, out, HOST_ADDRESS_LEN);
	if (fd >= 0)
		close(fd);
}

/**
 * host_capacity() - The host's room for servers, as docs/agent-api.md has it in a host's report
 * @state_dir: where disks lie
 *
 * Return: a new object {vcpus, memory_mb, disk_gb}, or NULL when out of memory.
 */
json_t *host_capacity(const char *state_dir)
{
	struct statvfs fs = { .f_bsize = 0 };
	struct sysinfo info = { .mem_unit = 1 };

	sysinfo(&info);
	statvfs(state_dir, &fs);
	return json_pack("{s:i,s:I,s:I}", "vcpus", (int)sysconf(_SC_NPROCESSORS_ONLN), "memory_mb",
			 (json_int_t)((uint64_t)info.totalram * info.mem_unit >> 20), "disk_gb",
			 (json_int_t)((uint64_t)fs.f_frsize * fs.f_blocks >> 30));
}
