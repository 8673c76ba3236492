#include "cli/command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cas/blob.h"
#include "cli/output.h"
#include "cli/where.h"

/* Pipes, and files of /proc, which say that they are empty. */
static int write_stream(struct blob_writer *w, int fd)
{
	char block[65536];
	ssize_t n;
	int rc;

	while ((n = read(fd, block, sizeof(block))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		rc = blob_write(w, block, (size_t)n);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int put_fd(struct store *s, int fd, struct addr *ret)
{
	CLEANUP(blob_writer_freep) struct blob_writer *w = NULL;
	struct stat st;
	int rc;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	w = blob_writer_new(s);
	if (!w)
		return -ENOMEM;
	blob_writer_check(w);
	if (S_ISREG(st.st_mode) && st.st_size > 0 &&
	    lseek(fd, 0, SEEK_CUR) == 0)
		rc = blob_write_fd(w, fd);
	else
		rc = write_stream(w, fd);
	return rc < 0 ? rc : blob_finish(w, ret, NULL);
}

static int put_file(struct store *s, const char *path, struct addr *ret)
{
	CLEANUP_CLOSE int fd = -1;

	if (!strcmp(path, "-"))
		return put_fd(s, STDIN_FILENO, ret);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd < 0 ? -errno : put_fd(s, fd, ret);
}

/* Objects are healed by being put, tables are not. */
static const char *remedy(int rc)
{
	return rc == -EBADMSG || rc == -EUCLEAN
		       ? ": the tables of the store are damaged: run deriva "
			 "fsck --repair, then put it again"
		       : "";
}

/* The addresses come out when all of it is durable, and not before. */
static int put_all(struct store *s, char **paths, int count, struct buf *out)
{
	int i, rc, status = EXIT_SUCCESS;
	char hex[ADDR_HEX];
	struct addr a;

	for (i = 0; i < count; i++) {
		rc = put_file(s, paths[i], &a);
		if (rc < 0) {
			status = fail("%s: %s%s", paths[i], err_name(rc),
				      remedy(rc));
			continue;
		}
		addr_hex(&a, hex);
		buf_fmt(out, "%s\n", hex);
	}
	return status;
}

static int run(struct cli *cli, int argc, char **argv)
{
	CLEANUP_FREE char *root = NULL, *store = NULL;
	CLEANUP_BUF struct buf out = BUF_INIT;
	struct store *s;
	struct err err;
	int n, rc, status;

	while (next_option(&cmd_put, cli, argc, argv) != -1)
		;
	n = count_operands(&cmd_put, argc, 1, -1);
	if (where_mount(cli, ".", &root, &store) < 0)
		return EXIT_FAILURE;
	if (store_open(store, 0, &s, &err) < 0)
		return fail("%s", err.msg);
	(void)store_enter(s); /* until it is closed */
	status = put_all(s, argv + optind, n, &out);
	rc = store_close(s);
	if (rc < 0)
		return fail("%s: %s%s", store, err_name(rc), remedy(rc));
	print_buf(&out);
	return status;
}

static const struct option longs[] = {OPT_STORE, OPT_END};

const struct command cmd_put = {
	.name = "put",
	.args = "[--store DIR] FILE...",
	.summary = "keep content, and print its address",
	.help = "Stores the content of each FILE (\"-\": standard input) "
		"without giving it a name,\nand prints its address when it is "
		"durable. An object of the store whose bytes\nare damaged is "
		"made whole by it.\n\n"
		"  --store DIR  in that store (default: that of the mount "
		"which "
		"holds the working\n"
		"               directory)\n",
	.shorts = "",
	.longs = longs,
	.run = run,
};
