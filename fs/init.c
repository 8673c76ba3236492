/* One thing that this libfuse does not pass on when it greets the kernel:
 * FUSE_HANDLE_KILLPRIV_V2. Without it the kernel asks for the attribute
 * security.capability before each write(2), in case it has to be removed: a
 * message for every 4 KiB that cost the kernel nothing else. With it, once a
 * file; and who writes to a setuid file is our business (privileges_drop()).
 * Kernels before 5.12 do not know the flag, and pass over it.
 */
#include "fs/fs.h"

#include <errno.h>
#include <sys/uio.h>

#define HANDLE_KILLPRIV_V2 (UINT32_C(1) << 28)
#define HEAD_LEN	   16 /* u32 length, s32 error, u64 request */
#define FLAGS_AT	   12 /* of what answers INIT */

/* The first that is sent is the answer to the first that came: INIT. */
static void greet(struct fs *fs, const struct iovec *iov, int count)
{
	uint32_t flags;
	int32_t error;
	char *head, *body;

	if (count < 2 || iov[0].iov_len != HEAD_LEN ||
	    iov[1].iov_len < FLAGS_AT + sizeof(flags))
		return;
	head = iov[0].iov_base;
	memcpy(&error, head + 4, sizeof(error));
	if (error)
		return;
	body = iov[1].iov_base;
	memcpy(&flags, body + FLAGS_AT, sizeof(flags));
	flags |= HANDLE_KILLPRIV_V2;
	memcpy(body + FLAGS_AT, &flags, sizeof(flags));
	__atomic_store_n(&fs->greeted, true, __ATOMIC_RELEASE);
}

static ssize_t send_all(int fd, struct iovec *iov, int count, void *userdata)
{
	struct fs *fs = userdata;

	if (!__atomic_load_n(&fs->greeted, __ATOMIC_ACQUIRE))
		greet(fs, iov, count);
	return writev(fd, iov, count);
}

static ssize_t receive(int fd, void *p, size_t n, void *userdata)
{
	(void)userdata;
	return read(fd, p, n);
}

int init_extend(struct fs *fs)
{
	const struct fuse_custom_io io = {.writev = send_all, .read = receive};

	return fuse_session_custom_io(fs->se, &io, fuse_session_fd(fs->se));
}
