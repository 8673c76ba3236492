#include "cli/where.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/wait.h>

#include "cas/store.h"
#include "cli/daemon.h"
#include "cli/json.h"
#include "cli/mountinfo.h"
#include "cli/output.h"

/* The path of a store that is there. */
static int store_real(const char *store, char **ret)
{
	CLEANUP_FREE char *real = realpath(store, NULL);
	int rc;

	if (!real) {
		rc = -errno;
		if (rc == -ENOENT)
			complain("%s: there is no store (deriva mount makes "
				 "one)",
				 store);
		else
			complain("%s: %s", store, err_name(rc));
		return rc;
	}
	if (!store_exists(real)) {
		complain("%s is no store (deriva mount makes one)", store);
		return -ENOENT;
	}
	*ret = steal(&real);
	return 0;
}

/* Reading the status commits what the mount has gathered. */
static int status_store(const char *root, struct buf *ret)
{
	CLEANUP_BUF struct buf status = BUF_INIT;
	int rc = ctl_read(root, "status", &status);

	return rc < 0 ? rc : json_string(buf_cstr(&status), "store", ret);
}

static int read_branch(const char *root, struct buf *ret)
{
	int rc;

	buf_reset(ret);
	rc = ctl_read(root, "branch", ret);
	if (rc >= 0 && ret->len)
		ret->data[ret->len = strcspn(buf_cstr(ret), "\n")] = '\0';
	return rc;
}

static bool is_on(const char *root, const char *branch)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	return read_branch(root, &b) >= 0 &&
	       !strcmp(buf_cstr(&b), branch ? branch : "main");
}

int where_branch(const struct cli *cli, const char *root, struct buf *ret)
{
	if (root)
		return read_branch(root, ret);
	buf_str(ret, cli->branch ? cli->branch : "main");
	return buf_err(ret);
}

/* A mount that serves the store and can be reached from here; *ret stays NULL
 * when there is none. */
static int find_mount(const char *store, const char *branch, char **ret,
		      struct err *err)
{
	CLEANUP(mount_table_done) struct mount_table t = {0};
	CLEANUP_BUF struct buf other = BUF_INIT;
	size_t i;
	int rc;

	rc = mount_table_read(&t);
	if (rc < 0)
		return err_set(err, rc, "/proc/self/mountinfo: %s",
			       err_name(rc));
	for (i = 0; i < t.count; i++) {
		const struct mount_entry *e = &t.entries[i];

		if (!mount_is_deriva(e) || strcmp(e->root, "/") ||
		    strcmp(e->source, store) ||
		    status_store(e->dir, &other) < 0 ||
		    strcmp(buf_cstr(&other), store) || !is_on(e->dir, branch))
			continue;
		*ret = strdup(e->dir);
		return *ret ? 0 : -ENOMEM;
	}
	return 0;
}

/* As root nobody else has to see the mount. Where that is not permitted (some
 * containers) the directory's mode alone keeps others out. */
static void hide_mounts(void)
{
	if (geteuid() != 0 || unshare(CLONE_NEWNS) < 0)
		return;
	if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
		complain("the private mount can be seen by others: %s",
			 err_name(errno));
}

static int mount_privately(const char *store, const char *branch,
			   struct where *w)
{
	struct mount_options options = {0};
	struct daemon_args args = {.store = store,
				   .options = &options,
				   .private = true};
	struct err err;
	int rc;

	snprintf(options.branch, sizeof(options.branch), "%s",
		 branch ? branch : "");
	hide_mounts();
	rc = daemon_start(&args, &w->pid, &w->root, &err);
	if (rc < 0)
		complain("%s: %s", store, err.msg);
	return rc;
}

int where_open(const struct cli *cli, struct where *ret)
{
	CLEANUP_FREE char *store = NULL;
	struct where w = {0};
	struct err err;
	int rc;

	if (!cli->store) {
		*ret = w;
		return 0;
	}
	rc = store_real(cli->store, &store);
	if (rc < 0)
		return rc;
	rc = find_mount(store, cli->branch, &w.root, &err);
	if (rc < 0) {
		complain("%s", err.msg);
		return rc;
	}
	if (!w.root)
		rc = mount_privately(store, cli->branch, &w);
	if (rc < 0)
		return rc;
	*ret = w;
	return 0;
}

int where_close(struct where *w)
{
	int status = 0;

	free(w->root);
	w->root = NULL;
	if (!w->pid)
		return EXIT_SUCCESS;
	kill(w->pid, SIGTERM);
	while (waitpid(w->pid, &status, 0) < 0)
		if (errno != EINTR)
			break;
	w->pid = 0;
	if (!status)
		return EXIT_SUCCESS;
	return fail("the private mount did not end well (the store's file "
		    "\"log\" says why)");
}

int where_place(const struct where *w, const char *path, bool follow,
		struct place *ret)
{
	CLEANUP_FREE char *full = NULL;
	struct place p;
	struct err err;
	int rc;

	if (w->root) {
		full = path_join(w->root, path + strspn(path, "/"));
		if (!full)
			return -ENOMEM;
	}
	rc = place_find(full ? full : path, follow, &p, &err);
	if (rc >= 0 && w->root && strcmp(p.root, w->root)) {
		place_done(&p);
		rc = -EXDEV;
	}
	if (rc == -EXDEV && w->root)
		err_set(&err, rc, "%s leads out of the store", path);
	else if (rc < 0 && w->root)
		err_set(&err, rc, "%s: %s", path, err_name(rc));
	if (rc < 0) {
		complain("%s", err.msg);
		return rc;
	}
	*ret = p;
	return 0;
}

/* What a mount out of reach has not committed, it commits within 20 ms. */
static int mount_of_store(const char *store, const char *branch,
			  char **ret_root, char **ret_store)
{
	CLEANUP_FREE char *root = NULL;
	int rc;

	rc = store_real(store, ret_store);
	if (rc < 0)
		return rc;
	if (find_mount(*ret_store, branch, &root, NULL) >= 0)
		*ret_root = steal(&root);
	return 0;
}

int where_mount(const struct cli *cli, const char *path, char **ret_root,
		char **ret_store)
{
	CLEANUP_PLACE struct place p = {0};
	CLEANUP_BUF struct buf store = BUF_INIT;
	struct err err;
	int rc;

	if (cli->store)
		return mount_of_store(cli->store, cli->branch, ret_root,
				      ret_store);
	rc = place_find(path, false, &p, &err);
	if (rc < 0) {
		complain("%s", err.msg);
		return rc;
	}
	rc = status_store(p.root, &store);
	if (rc < 0) {
		complain("%s/.deriva/status: %s", p.root, err_name(rc));
		return rc;
	}
	*ret_store = strdup(buf_cstr(&store));
	if (!*ret_store)
		return -ENOMEM;
	*ret_root = steal(&p.root);
	return 0;
}
