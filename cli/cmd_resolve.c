#include "cli/command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/xattr.h>

#include "cli/attrs.h"
#include "cli/output.h"
#include "cli/where.h"
#include "core/addr.h"

/* Opening computes; the descriptor then holds the value that it got. */
static int address(const char *path, char ret[ADDR_HEX])
{
	CLEANUP_CLOSE int fd = -1;
	struct addr a;
	ssize_t n;

	fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	n = fgetxattr(fd, "user.deriva.addr", ret, ADDR_HEX - 1);
	if (n < 0)
		return -errno;
	ret[n] = '\0';
	return addr_parse(ret, &a) ? 0 : -EPROTO;
}

static int resolve(const struct where *w, const char *path)
{
	CLEANUP_PLACE struct place p = {0};
	CLEANUP_BUF struct buf why = BUF_INIT;
	char hex[ADDR_HEX];
	int rc;

	if (where_place(w, path, true, &p) < 0)
		return EXIT_FAILURE;
	if (p.is_dir)
		return fail("%s is a directory; only a file's content has an "
			    "address here",
			    path);
	rc = address(p.path, hex);
	if (rc == -ENODATA)
		return fail("%s is no regular file: it has no content", path);
	if (rc < 0 && attr_get(p.path, "error", &why) >= 0 && why.len)
		return fail("%s: %s", path, buf_cstr(&why));
	if (rc < 0)
		return fail("%s: %s", path, err_name(rc));
	puts(hex);
	return EXIT_SUCCESS;
}

static int run(struct cli *cli, int argc, char **argv)
{
	int i, status = EXIT_SUCCESS;
	struct where w;

	while (next_option(&cmd_resolve, cli, argc, argv) != -1)
		;
	count_operands(&cmd_resolve, argc, 1, -1);
	if (where_open(cli, &w) < 0)
		return EXIT_FAILURE;
	for (i = optind; i < argc; i++)
		if (resolve(&w, argv[i]))
			status = EXIT_FAILURE;
	return where_close(&w) ? EXIT_FAILURE : status;
}

static const struct option longs[] = {OPT_STORE, OPT_END};

const struct command cmd_resolve = {
	.name = "resolve",
	.args = "[--store DIR] PATH...",
	.summary = "the address of a file's content",
	.help = "Prints 64 hex digits for each PATH, by which deriva cat finds "
		"the content. A\nderived file is computed for it.\n\n"
		"  --store DIR  in that store, PATHs from its root\n",
	.shorts = "",
	.longs = longs,
	.run = run,
};
