/* The life of a mount. */
#include "fs/mount.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/utsname.h>

#include "cas/attach.h"
#include "core/branch.h"
#include "core/clock.h"
#include "core/runs.h"
#include "core/untold.h"
#include "fs/ender.h"
#include "fs/fs.h"

struct mount {
	struct fs fs;
	bool mounted;
	bool made_dir; /* of the mountpoint; taken back on failure */
	struct ender *ender;
};

/* --- before the kernel is asked ------------------------------------------ */

static int check_device(struct err *err)
{
	CLEANUP_CLOSE int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return 0;
	if (errno == ENOENT)
		return err_set(err, -ENOENT,
			       "/dev/fuse does not exist: load the kernel's "
			       "module (modprobe fuse), or start the container "
			       "with --device /dev/fuse --cap-add SYS_ADMIN");
	if (errno == EACCES || errno == EPERM)
		return err_set(err, -errno,
			       "/dev/fuse cannot be opened (%s): as root, "
			       "chmod 666 /dev/fuse, or mount as root",
			       err_name(errno));
	return err_set(err, -errno, "/dev/fuse cannot be opened: %s",
		       err_name(errno));
}

static int scan_empty(int fd)
{
	DIR *d = fdopendir(fd);
	struct dirent *e;
	bool empty = true;

	if (!d)
		return -errno;
	while (empty && (e = readdir(d)))
		empty = !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..");
	closedir(d);
	return empty ? 0 : -ENOTEMPTY;
}

static bool is_mountpoint(const char *path, const struct stat *st)
{
	CLEANUP_FREE char *up = NULL;
	struct stat parent;

	if (asprintf(&up, "%s/..", path) < 0) {
		up = NULL;
		return false;
	}
	return !stat(up, &parent) &&
	       (parent.st_dev != st->st_dev || parent.st_ino == st->st_ino);
}

/* Makes the directory if only its last component is missing; it has to be
 * empty, so that nothing is hidden. */
static int prepare_dir(const char *dir, bool over, char **ret, bool *ret_made,
		       struct err *err)
{
	struct statvfs vst;
	struct stat st;
	char *real;
	int fd, r;

	*ret_made = !mkdir(dir, 0777);
	if (!*ret_made && errno != EEXIST)
		return err_set(err, -errno, "%s: cannot be made: %s", dir,
			       err_name(errno));
	if (stat(dir, &st) < 0 || statvfs(dir, &vst) < 0)
		return err_set(err, -errno, "%s: %s", dir,
			       errno == ENOTCONN
				       ? "a mount whose daemon is gone; "
					 "`deriva umount` it first"
				       : err_name(errno));
	if (!S_ISDIR(st.st_mode))
		return err_set(err, -ENOTDIR, "%s: is no directory to mount on",
			       dir);
	real = realpath(dir, NULL);
	if (!real)
		return err_set(err, -errno, "%s: %s", dir, err_name(errno));
	if (over) {
		*ret = real;
		return 0;
	}
	if (is_mountpoint(real, &st)) {
		r = err_set(err, -EBUSY,
			    "%s: something is mounted there already; choose "
			    "another directory, or unmount it first",
			    real);
		free(real);
		return r;
	}
	fd = open(real, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = fd < 0 ? -errno : scan_empty(fd);
	if (r == -ENOTEMPTY)
		r = err_set(err, r,
			    "%s: is not empty, and mounting would hide what is "
			    "in it; choose an empty or a new directory",
			    real);
	else if (r < 0)
		r = err_set(err, r, "%s: %s", real, err_name(r));
	if (r < 0) {
		free(real);
		return r;
	}
	*ret = real;
	return 0;
}

/* The store must not lie in the directory that hides it, nor the directory in
 * the store. */
static int check_apart(const char *store, const char *dir, struct err *err)
{
	size_t n = strlen(store), m = strlen(dir);

	if ((!strncmp(store, dir, m) && (store[m] == '/' || !store[m])) ||
	    (!strncmp(dir, store, n) && dir[n] == '/'))
		return err_set(err, -EINVAL,
			       "the store %s and the directory %s must not lie "
			       "in each other",
			       store, dir);
	return 0;
}

/* --- starting ----------------------------------------------------------- */

/* FUSE_NOTIFY_INC_EPOCH came with Linux 6.16. */
static bool kernel_has_epoch(void)
{
	struct utsname u;
	int major, minor;

	return !uname(&u) && sscanf(u.release, "%d.%d", &major, &minor) == 2 &&
	       (major > 6 || (major == 6 && minor >= 16));
}

static int put_journal(void *ctx, enum obj_kind kind, const void *p, size_t n,
		       struct addr *ret)
{
	return store_put(ctx, kind, p, n, ret);
}

/* main, or the one that was named. */
static int open_branch(struct fs *fs, struct err *err)
{
	struct branch b = {.id = BRANCH_MAIN};
	int r = 0;

	if (*fs->opt.branch)
		r = branch_find(fs->db, fs->opt.branch, &b);
	if (r < 0)
		return err_set(err, r,
			       "%s: there is no such branch (deriva branch "
			       "lists them)",
			       fs->opt.branch);
	return ns_open_branch(fs->db, b.id, (uint32_t)fs->uid,
			      (uint32_t)fs->gid, &fs->ns, err);
}

static int open_rows(struct fs *fs, struct err *err)
{
	struct ns_by by = {.uid = (uint32_t)fs->uid,
			   .pid = (uint32_t)getpid(),
			   .program = "deriva"};
	int r;

	db_lock(fs->db);
	r = open_branch(fs, err);
	if (r >= 0)
		r = journal_open(fs->db, &fs->journal);
	if (r >= 0) {
		journal_set_put(fs->journal, put_journal, fs->store);
		ns_set_journal(fs->ns, fs->journal);
		r = results_open(fs->db, fs->ns, &fs->results);
	}
	if (r >= 0)
		r = db_commit(fs->db);
	if (r >= 0)
		r = untold_tell(fs->ns, &by);
	if (r >= 0)
		r = runs_sweep(fs->ns, &by);
	db_unlock(fs->db);
	return r;
}

static int tell_others(struct fs *fs)
{
	CLEANUP_FREE char *text = NULL;
	uint64_t branch = fs->ns ? ns_branch(fs->ns) : BRANCH_MAIN;
	int r;

	/* Once it is known, by its number, as it may get another name
	 * (fs/branches.c), and in front of what may be too long. */
	if (branch != BRANCH_MAIN)
		r = asprintf(&text,
			     "process %d has branch #%llu (%s) mounted at %s",
			     (int)getpid(), (unsigned long long)branch,
			     fs->opt.branch, fs->mountpoint);
	else
		r = asprintf(&text, "process %d has it mounted at %s",
			     (int)getpid(), fs->mountpoint);
	if (r < 0) {
		text = NULL;
		return -ENOMEM;
	}
	attach_say(store_attach(fs->store), text);
	return 0;
}

static int open_eval(struct fs *fs)
{
	struct eval_options o = {
		.jobs = fs->opt.jobs,
		.no_sandbox = fs->opt.no_sandbox,
	};
	struct eval_host host;

	if (!o.jobs)
		o.jobs = (unsigned)MAX(sysconf(_SC_NPROCESSORS_ONLN), 1L);
	derived_init(fs, &host);
	return eval_open(fs->store, fs->ns, fs->results, fs->sandbox, &host, &o,
			 &fs->eval);
}

static int open_tables(struct fs *fs)
{
	fs->nodes = node_table_new();
	fs->names = map_new();
	fs->parked = map_new();
	fs->views = map_new();
	fs->lives = map_new();
	fs->listed = map_new();
	fs->ghosts = map_new();
	fs->graces = map_new();
	fs->olds = map_new();
	fs->mixed = map_new();
	if (!fs->nodes || !fs->names || !fs->parked || !fs->views ||
	    !fs->lives || !fs->listed || !fs->ghosts || !fs->graces ||
	    !fs->olds || !fs->mixed)
		return -ENOMEM;
	fs->root = node_source(fs, NS_ROOT);
	if (!fs->root)
		return -ENOMEM;
	fs->root->lookups = 1;
	return 0;
}

/* fsname shows up in mount(8) and df(1). */
static int new_session(struct mount *m, struct err *err)
{
	struct fs *fs = &m->fs;
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	CLEANUP_BUF struct buf o = BUF_INIT;
	const char *p;
	int r = -ENOMEM;

	buf_str(&o, "subtype=deriva,fsname=");
	p = fs->opt.fsname ? fs->opt.fsname : store_path(fs->store);
	for (; *p; p++) {
		if (*p == ',' || *p == '\\')
			buf_u8(&o, '\\');
		buf_u8(&o, (uint8_t)*p);
	}
	/* Where root alone may be there is nothing to check; one other user is
	 * checked in rights.c; more by the kernel, from modes it has cached. */
	if (fs->opt.allow_other || fs->opt.default_permissions ||
	    fs->opt.allow_root || fs->opt.acl || (geteuid() != 0 && !fs->epoch))
		fs->kernel_checks = true;
	else
		fs->checks = geteuid() != 0;
	fs->lists = fs->kernel_checks && !fs->opt.no_acl;
	if (fs->kernel_checks)
		buf_str(&o, ",default_permissions");
	if (fs->opt.allow_root)
		buf_str(&o, ",allow_root"); /* see also root_attr() */
	if (fs->opt.fuse_extra)
		buf_fmt(&o, ",%s", fs->opt.fuse_extra);
	if (buf_err(&o) < 0 || fuse_opt_add_arg(&args, "deriva") < 0 ||
	    fuse_opt_add_arg(&args, "-o") < 0 ||
	    fuse_opt_add_arg(&args, buf_cstr(&o)) < 0 ||
	    (fs->opt.debug && fuse_opt_add_arg(&args, "-d") < 0))
		goto out;
	fs->se = fuse_session_new(&args, &fs_ops, sizeof(fs_ops), fs);
	if (!fs->se) {
		r = err_set(err, -EINVAL, "libfuse refuses the options: %s",
			    buf_cstr(&o));
		goto out;
	}
	r = 0;
out:
	fuse_opt_free_args(&args);
	return r;
}

static bool may_mount(void)
{
	unsigned long long caps = ~0ULL;
	FILE *f = fopen("/proc/self/status", "re");
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "CapEff: %llx", &caps) == 1)
			break;
	if (f)
		fclose(f);
	return caps & (1ULL << CAP_SYS_ADMIN);
}

static const char *fusermount(void)
{
	static const char *const paths[] = {"/usr/bin/fusermount3",
					    "/bin/fusermount3",
					    "/usr/local/bin/fusermount3"};
	size_t i;

	for (i = 0; i < ARRAY_LEN(paths); i++)
		if (access(paths[i], X_OK) == 0)
			return paths[i];
	return NULL;
}

/* Why the kernel refused, and what to do; said: what libfuse knows of it. */
static int explain_refusal(struct fs *fs, const char *said, struct err *err)
{
	const char *helper = fusermount();
	bool root = geteuid() == 0;
	struct stat st;

	if (!helper && (!root || fs->opt.auto_unmount))
		return err_set(err, -ENOENT,
			       "%s: fusermount3 is missing: apt-get install "
			       "fuse3",
			       fs->mountpoint);
	if (root && !may_mount())
		return err_set(err, -EPERM,
			       "%s: cannot be mounted: root may not mount here "
			       "(CAP_SYS_ADMIN is missing); start the "
			       "container with --cap-add SYS_ADMIN --device "
			       "/dev/fuse --security-opt apparmor=unconfined",
			       fs->mountpoint);
	if (!root && !stat(helper, &st) && !(st.st_mode & S_ISUID))
		return err_set(err, -EPERM,
			       "%s: cannot be mounted: %s is not setuid root, "
			       "so that only root may mount: as root, chmod "
			       "u+s %s",
			       fs->mountpoint, helper, helper);
	return err_set(err, -EPERM, "%s: cannot be mounted: %s", fs->mountpoint,
		       *said ? said
			     : "the kernel refuses (in a container, AppArmor "
			       "may: --security-opt apparmor=unconfined)");
}

/* libfuse says why on standard error; what it says is part of our line. */
static int kernel_mount(struct mount *m, struct err *err)
{
	struct fs *fs = &m->fs;
	char said[512] = "";
	int pipes[2], saved, r;
	ssize_t n;

	if (pipe2(pipes, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	dup2(pipes[1], STDERR_FILENO);
	r = fuse_session_mount(fs->se, fs->mountpoint);
	if (saved >= 0) {
		dup2(saved, STDERR_FILENO);
		close(saved);
	}
	n = read(pipes[0], said, sizeof(said) - 1);
	said[n > 0 ? n : 0] = '\0';
	said[strcspn(said, "\n")] = '\0';
	close(pipes[0]);
	close(pipes[1]);
	if (r)
		return explain_refusal(fs, said, err);
	m->mounted = true;
	return init_extend(fs);
}

/* Sequential reads arrive in requests of this size only when the kernel reads
 * ahead that far; root may say so. The device's number comes from mountinfo,
 * as stat(2) would wait for a loop that does not run yet. */
static void raise_readahead(const char *mountpoint)
{
	CLEANUP_FREE char *line = NULL;
	FILE *f = geteuid() ? NULL : fopen("/proc/self/mountinfo", "re");
	char path[128], *at;
	unsigned major, minor;
	size_t cap = 0, len = strlen(mountpoint);
	int fd, found = 0;

	while (f && getline(&line, &cap, f) > 0)
		if (sscanf(line, "%*d %*d %u:%u", &major, &minor) == 2 &&
		    (at = strstr(line, mountpoint)) && at[-1] == ' ' &&
		    at[len] == ' ') {
			found = 1;
			break;
		}
	if (f)
		fclose(f);
	if (!found)
		return; /* an odd path is written with escapes: so be it */
	snprintf(path, sizeof(path), "/sys/class/bdi/%u:%u/read_ahead_kb",
		 major, minor);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return;
	if (write(fd, "1024", 4) < 0)
		log_debug("%s: %s", path, err_name(errno));
	close(fd);
}

static int close_all(struct mount *m)
{
	struct fs *fs = &m->fs;
	int r;

	ender_stop(m->ender);
	follow_stop(fs);
	if (fs->db)
		db_lock(fs->db);
	fs->closing = true;
	if (fs->db)
		db_unlock(fs->db);
	saver_stop(fs);
	taker_stop(fs);
	/* waiters are answered while there still is a session */
	if (fs->db)
		db_lock(fs->db);
	requests_end(fs);
	if (fs->db)
		db_unlock(fs->db);
	eval_close(fs->eval);
	if (m->mounted)
		fuse_session_unmount(fs->se);
	if (fs->nodes)
		files_commit(fs);
	committer_stop(fs);
	keeper_stop(fs);
	sandbox_close(fs->sandbox);
	if (fs->db)
		db_lock(fs->db);
	events_free(fs);
	if (fs->db)
		db_unlock(fs->db);
	if (fs->se)
		fuse_session_destroy(fs->se);
	requests_free(fs);
	saver_close(fs);
	if (fs->nodes)
		nodes_free(fs);
	parked_free(fs);
	map_free(fs->views);
	map_free(fs->lives);
	ahead_free(fs);
	ghosts_free(fs);
	graces_free(fs);
	crew_free(steal(&fs->crew));
	r = fs->seals ? seals_sync(fs->seals) : 0;
	seals_close(fs->seals);
	if (fs->db)
		db_lock(fs->db);
	if (fs->db && r >= 0)
		r = db_commit(fs->db);
	if (fs->db)
		db_drop_hooks(fs->db, fs);
	results_close(fs->results);
	ns_close(fs->ns);
	journal_close(fs->journal);
	follow_free(fs);
	if (fs->db)
		db_unlock(fs->db);
	if (fs->store && store_close(fs->store) < 0)
		r = -EIO;
	free(fs->mountpoint);
	mount_options_done(&fs->opt);
	free(m);
	return r;
}

static int copy_options(const struct mount_options *o,
			struct mount_options *ret)
{
	*ret = *o;
	ret->fuse_extra = o->fuse_extra ? strdup(o->fuse_extra) : NULL;
	ret->fsname = o->fsname ? strdup(o->fsname) : NULL;
	/* who else may be there than root, is root himself */
	ret->allow_root = o->allow_root && geteuid() && !o->allow_other;
	return !ret->fuse_extra == !o->fuse_extra && !ret->fsname == !o->fsname
		       ? 0
		       : -ENOMEM;
}

static int start(struct mount *m, const char *store, const char *dir,
		 struct err *err)
{
	struct fs *fs = &m->fs;
	int r = check_device(err);

	if (r >= 0)
		r = sandbox_open(&fs->sandbox, err);
	if (r >= 0)
		r = saver_open(fs);
	if (r >= 0)
		r = prepare_dir(dir, fs->opt.over, &fs->mountpoint,
				&m->made_dir, err);
	if (r >= 0)
		r = store_open(store, STORE_CREATE, &fs->store, err);
	if (r < 0)
		return r;
	fs->db = store_db(fs->store);
	r = check_apart(store_path(fs->store), fs->mountpoint, err);
	if (r >= 0)
		r = tell_others(fs);
	if (r >= 0)
		r = eval_sweep(fs->store);
	if (r >= 0)
		r = follow_await(fs);
	if (r >= 0)
		r = open_rows(fs, err);
	if (r >= 0 && ns_branch(fs->ns) != BRANCH_MAIN)
		r = tell_others(fs);
	if (r >= 0)
		r = taker_recover(fs);
	if (r >= 0)
		r = keep_options(fs, err);
	if (r >= 0)
		r = open_tables(fs);
	if (r >= 0)
		r = events_start(fs);
	if (r >= 0)
		r = new_session(m, err);
	if (r >= 0)
		r = kernel_mount(m, err);
	if (r >= 0)
		r = ender_start(fs->se, fs->mountpoint, &m->ender);
	if (r >= 0)
		r = committer_start(fs);
	if (r >= 0)
		r = taker_start(fs);
	if (r >= 0)
		r = saver_start(fs);
	if (r >= 0)
		r = keeper_start(fs);
	if (r >= 0)
		r = open_eval(fs);
	return r < 0 ? r : follow_start(fs);
}

/* Chunks of all sizes come and go through many threads. Were each thread to
 * have a heap of its own, the holes in them would take as much again as the
 * caches. */
static void few_heaps(void)
{
#ifdef M_ARENA_MAX
	mallopt(M_ARENA_MAX, 2);
#endif
}

static const char *remedy(int r)
{
	switch (r) {
	case -EBADMSG:
	case -EUCLEAN:
	case -EIO:
		return ": its database (deriva.db) may be damaged: run "
		       "deriva fsck";
	default:
		return "";
	}
}

int mount_start(const char *store, const char *dir,
		const struct mount_options *o, struct mount **ret,
		struct err *err)
{
	struct mount *m = calloc(1, sizeof(*m));
	struct err why = {{0}};
	bool made;
	int r = m ? copy_options(o, &m->fs.opt) : -ENOMEM;

	if (r < 0) {
		free(m);
		return err_set(err, r, "%s", err_name(r));
	}
	few_heaps();
	m->fs.uid = geteuid();
	m->fs.gid = getegid();
	m->fs.started_ns = clock_now_ns();
	m->fs.epoch = kernel_has_epoch();
	m->fs.selinux = access("/sys/fs/selinux/enforce", F_OK) == 0;
	r = start(m, store, dir, &why);
	if (r < 0) {
		made = m->made_dir;
		close_all(m);
		if (made)
			rmdir(dir);
		if (why.msg[0])
			return err_set(err, r, "%s", why.msg);
		return err_set(err, r, "%s: cannot be mounted: %s%s", store,
			       err_name(r), remedy(r));
	}
	*ret = m;
	return 0;
}

int mount_serve(struct mount *m)
{
	int r = crew_new(m->fs.se, &m->fs.crew), rc;

	raise_readahead(m->fs.mountpoint);
	if (r >= 0)
		r = crew_serve(m->fs.crew);
	rc = close_all(m);
	return r < 0 ? r : rc;
}
