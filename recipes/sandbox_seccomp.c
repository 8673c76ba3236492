/* The filter.
 *
 * Whoever has no capability and nothing of the machine in sight can do little
 * harm with system calls; what is left is what a kernel has bugs in, what
 * tells about the machine, and what reaches beyond the sandbox by itself. The
 * list follows the default profile of Docker (moby, profiles/seccomp) and
 * flatpak's (common/flatpak-run.c), which years of compilers, interpreters and
 * browsers have been run under. All else is allowed: a list of what is allowed
 * would break programs with each new kernel.
 *
 * EPERM where a program may take it for an answer; ENOSYS where programs look
 * for something newer and know what to do without (clone3, whose flags lie in
 * memory where no filter can read them; io_uring; the new mount calls).
 *
 * ptrace is refused although nobody but the command's own processes is in
 * sight: it is the way around many a filter. strace, gdb and LeakSanitizer do
 * not run in recipes.
 *
 * Sockets: AF_UNIX, AF_INET and AF_INET6 (in a network of its own, so a
 * server can be tried out on the loopback device), NETLINK_ROUTE (libraries
 * ask for interfaces). With the machine's network, AF_UNIX would reach the
 * abstract sockets of the machine, of a desktop's bus and X server, too: only
 * socketpair(2) is left of it.
 *
 * Another architecture's calls, such as 32-bit programs make, go through the
 * same filter where the machine runs them.
 */
#include "recipes/sandbox_seccomp.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <unistd.h>

/* Known to the library by name on all architectures, with an error for each.
 */
static const struct refused {
	int error;
	const char *name;
} refused[] = {
	/* other processes */
	{EPERM, "ptrace"},
	{EPERM, "process_vm_readv"},
	{EPERM, "process_vm_writev"},
	{EPERM, "process_madvise"},
	{EPERM, "pidfd_getfd"},
	{EPERM, "kcmp"},
	{EPERM, "move_pages"},
	{EPERM, "migrate_pages"},

	/* the kernel itself */
	{EPERM, "kexec_load"},
	{EPERM, "kexec_file_load"},
	{EPERM, "init_module"},
	{EPERM, "finit_module"},
	{EPERM, "delete_module"},
	{EPERM, "create_module"},
	{EPERM, "query_module"},
	{EPERM, "get_kernel_syms"},
	{EPERM, "bpf"},
	{EPERM, "perf_event_open"},
	{EPERM, "userfaultfd"},
	{EPERM, "lookup_dcookie"},
	{EPERM, "syslog"},
	{EPERM, "_sysctl"},
	{EPERM, "reboot"},
	{EPERM, "acct"},
	{EPERM, "swapon"},
	{EPERM, "swapoff"},
	{EPERM, "quotactl"},
	{EPERM, "quotactl_fd"},
	{EPERM, "nfsservctl"},
	{EPERM, "uselib"},
	{EPERM, "ustat"},
	{EPERM, "sysfs"},
	{EPERM, "vhangup"},
	{EPERM, "iopl"},
	{EPERM, "ioperm"},
	{EPERM, "modify_ldt"},
	{EPERM, "vm86"},
	{EPERM, "vm86old"},
	{EPERM, "fanotify_init"},
	{ENOSYS, "memfd_secret"}, /* memory that no limit sees */
	{ENOSYS, "io_uring_setup"},
	{ENOSYS, "io_uring_enter"},
	{ENOSYS, "io_uring_register"},

	/* keys of the user */
	{EPERM, "add_key"},
	{EPERM, "keyctl"},
	{EPERM, "request_key"},

	/* clocks and names of the machine */
	{EPERM, "settimeofday"},
	{EPERM, "stime"},
	{EPERM, "clock_settime"},
	{EPERM, "clock_settime64"},
	{EPERM, "clock_adjtime"},
	{EPERM, "clock_adjtime64"},
	{EPERM, "adjtimex"},
	{EPERM, "sethostname"},
	{EPERM, "setdomainname"},

	/* mounts and namespaces */
	{EPERM, "mount"},
	{EPERM, "umount"},
	{EPERM, "umount2"},
	{EPERM, "pivot_root"},
	{EPERM, "chroot"},
	{EPERM, "setns"},
	{EPERM, "open_by_handle_at"},
	{ENOSYS, "open_tree"},
	{ENOSYS, "move_mount"},
	{ENOSYS, "fsopen"},
	{ENOSYS, "fsconfig"},
	{ENOSYS, "fsmount"},
	{ENOSYS, "fspick"},
	{ENOSYS, "mount_setattr"},
	{ENOSYS, "clone3"},
	/* 32-bit x86: what it asks for lies in memory */
	{ENOSYS, "socketcall"},
};

#define EACH_NAMESPACE                                                     \
	{                                                                  \
		CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET,    \
			CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP, 0x80U \
	} /* CLONE_NEWTIME */

#ifdef __s390__
#define CLONE_FLAGS 1
#else
#define CLONE_FLAGS 0
#endif

#define FAMILIES 64 /* those above are refused as a whole */

#define REFUSE(f, error, call, n, ...)                                        \
	seccomp_rule_add((f), SCMP_ACT_ERRNO((uint32_t)(error)), (call), (n), \
			 ##__VA_ARGS__)

static int refuse_calls(scmp_filter_ctx f)
{
	size_t i;
	int nr, r;

	for (i = 0; i < ARRAY_LEN(refused); i++) {
		nr = seccomp_syscall_resolve_name(refused[i].name);
		if (nr == __NR_SCMP_ERROR)
			return -ENOSYS;
		r = REFUSE(f, refused[i].error, nr, 0);
		if (r < 0)
			return r;
	}
	return 0;
}

static int refuse_namespaces(scmp_filter_ctx f)
{
	static const unsigned kinds[] = EACH_NAMESPACE;
	size_t i;
	int r = 0;

	for (i = 0; r >= 0 && i < ARRAY_LEN(kinds); i++) {
		r = REFUSE(f, EPERM, SCMP_SYS(unshare), 1,
			   SCMP_A0(SCMP_CMP_MASKED_EQ, kinds[i], kinds[i]));
		/* in clone(2) that bit is a part of the signal's number */
		if (r >= 0 && kinds[i] != 0x80U)
			r = REFUSE(f, EPERM, SCMP_SYS(clone), 1,
				   SCMP_CMP(CLONE_FLAGS, SCMP_CMP_MASKED_EQ,
					    kinds[i], kinds[i]));
	}
	return r;
}

static bool family_is_open(int family, bool network)
{
	switch (family) {
	case AF_INET:
	case AF_INET6:
	case AF_NETLINK:
		return true;
	case AF_UNIX:
		return !network;
	default:
		return false;
	}
}

/* The filter compares 64 bits, the kernel takes 32: what has any of the upper
 * ones set is above FAMILIES. */
static int refuse_sockets(scmp_filter_ctx f, bool network)
{
	int i, r;

	r = REFUSE(f, EAFNOSUPPORT, SCMP_SYS(socket), 1,
		   SCMP_A0(SCMP_CMP_GE, FAMILIES));
	for (i = 0; r >= 0 && i < FAMILIES; i++)
		if (!family_is_open(i, network))
			r = REFUSE(f, EAFNOSUPPORT, SCMP_SYS(socket), 1,
				   SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)i));
	if (r >= 0)
		r = REFUSE(f, EPROTONOSUPPORT, SCMP_SYS(socket), 2,
			   SCMP_A0(SCMP_CMP_EQ, AF_NETLINK),
			   SCMP_A2(SCMP_CMP_NE, NETLINK_ROUTE));
	return r;
}

/* Typing into a terminal, and what the console does for whoever asks. */
static int refuse_terminal(scmp_filter_ctx f)
{
	static const unsigned calls[] = {TIOCSTI, TIOCLINUX, TIOCCONS};
	size_t i;
	int r = 0;

	for (i = 0; r >= 0 && i < ARRAY_LEN(calls); i++)
		r = REFUSE(f, EPERM, SCMP_SYS(ioctl), 1,
			   SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, calls[i]));
	return r;
}

/* Left are Linux, 32-bit Linux, and addresses without a random part, which
 * builds ask for to be reproducible; and to ask, which is 0xffffffff. */
static int refuse_personalities(scmp_filter_ctx f)
{
	const uint32_t fine = PER_LINUX32 | ADDR_NO_RANDOMIZE | UNAME26,
		       top = 0x80000000U;
	uint32_t bit;
	int r = 0;

	for (bit = 1; r >= 0 && bit; bit <<= 1) {
		if (bit != top && !(bit & fine))
			r = REFUSE(f, EPERM, SCMP_SYS(personality), 1,
				   SCMP_A0(SCMP_CMP_MASKED_EQ, top | bit, bit));
		if (r >= 0 && bit != top)
			r = REFUSE(f, EPERM, SCMP_SYS(personality), 1,
				   SCMP_A0(SCMP_CMP_MASKED_EQ, top | bit, top));
	}
	return r;
}

static int add_architectures(scmp_filter_ctx f)
{
	int r = 0;

#if defined(__x86_64__)
	r = seccomp_arch_add(f, SCMP_ARCH_X86);
#elif defined(__aarch64__)
	r = seccomp_arch_add(f, SCMP_ARCH_ARM);
#endif
	if (r >= 0)
		r = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH,
				     SCMP_ACT_ERRNO(ENOSYS));
	return r;
}

static int read_all(int fd, struct buf *ret)
{
	off_t size = lseek(fd, 0, SEEK_END);
	uint8_t *p = size < 0 ? NULL : buf_room(ret, (size_t)size);
	ssize_t n;

	if (!p)
		return size < 0 ? -errno : -ENOMEM;
	n = pread(fd, p, (size_t)size, 0);
	if (n != size)
		return n < 0 ? -errno : -EIO;
	ret->len += (size_t)n;
	return 0;
}

static int export_to(scmp_filter_ctx f, struct buf *ret)
{
	CLEANUP_CLOSE int fd = memfd_create("deriva-seccomp", MFD_CLOEXEC);
	int r = fd < 0 ? -errno : seccomp_export_bpf(f, fd);

	return r < 0 ? r : read_all(fd, ret);
}

int seccomp_program(bool network, struct buf *ret)
{
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
	int r = f ? add_architectures(f) : -ENOMEM;

	/* a binary tree instead of a list: it is asked at every call */
	if (r >= 0)
		r = seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (r >= 0)
		r = refuse_calls(f);
	if (r >= 0)
		r = refuse_namespaces(f);
	if (r >= 0)
		r = refuse_sockets(f, network);
	if (r >= 0)
		r = refuse_terminal(f);
	if (r >= 0)
		r = refuse_personalities(f);
	if (r >= 0)
		r = export_to(f, ret);
	if (f)
		seccomp_release(f);
	return r;
}
