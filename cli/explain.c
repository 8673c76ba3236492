#include "cli/explain.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "cli/output.h"

int ctl_print(const struct place *p, const char *dir)
{
	CLEANUP_FREE char *name = path_join(dir, p->rel);
	CLEANUP_CLOSE int fd = -1;
	struct stat st;

	if (!name)
		return -ENOMEM;
	fd = ctl_open(p->root, name, O_RDONLY);
	if (fd < 0)
		return fd == -ENOTDIR ? -ENOENT : fd;
	/* of a directory there is one to tell of when it is derived */
	if (p->is_dir && (fstat(fd, &st) < 0 || S_ISDIR(st.st_mode)))
		return -ENOENT;
	return print_fd(fd);
}

/* One write(2): the path and a newline. */
static int write_path(int fd, const char *rel)
{
	CLEANUP_BUF struct buf line = BUF_INIT;
	ssize_t n;

	buf_fmt(&line, "%s\n", rel);
	if (buf_err(&line))
		return -ENOMEM;
	n = write(fd, line.data, line.len);
	if (n < 0)
		return -errno;
	return (size_t)n == line.len ? 0 : -EIO;
}

int ctl_tell(const char *root, const char *name, const char *line)
{
	CLEANUP_CLOSE int fd = ctl_open(root, name, O_WRONLY);

	return fd < 0 ? fd : write_path(fd, line);
}

static int tell(const struct where *w, const char *name, const char *path,
		const char *(*why)(int rc))
{
	CLEANUP_PLACE struct place p = {0};
	const char *reason;
	int rc;

	if (where_place(w, path, true, &p) < 0)
		return EXIT_FAILURE;
	if (strchr(p.rel, '\n'))
		return fail("%s: a name with a newline cannot be told to the "
			    "mount",
			    path);
	rc = ctl_tell(p.root, name, *p.rel ? p.rel : "/");
	if (rc >= 0)
		return EXIT_SUCCESS;
	reason = why ? why(rc) : NULL;
	if (reason)
		return fail("%s %s", path, reason);
	if (rc == -ENOENT)
		return fail("%s is no derived file", path);
	return fail("%s: %s", path, err_name(rc));
}

int ctl_tell_all(const struct command *c, const char *name,
		 const char *(*why)(int rc), struct cli *cli, int argc,
		 char **argv)
{
	int i, status = EXIT_SUCCESS;
	struct where w;

	while (next_option(c, cli, argc, argv) != -1)
		;
	count_operands(c, argc, 1, -1);
	if (where_open(cli, &w) < 0)
		return EXIT_FAILURE;
	for (i = optind; i < argc; i++)
		if (tell(&w, name, argv[i], why))
			status = EXIT_FAILURE;
	return where_close(&w) ? EXIT_FAILURE : status;
}
