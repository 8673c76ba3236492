#include "fs/seal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>

#include "cas/seal_file.h"
#include "core/addr.h"
#include "core/branch.h"
#include "core/sealed.h"

#define CONTEXT "deriva damaged draft v1"

struct seal {
	struct seal *next;
	char name[SEALED_NAME];
	int fd;
	uint64_t id; /* of its row; 0: none */
	bool over, damaged;
};

/* Ends the name of a seal of another branch than main, with its number. */
#define BRANCH_MARK ".b"

struct seals {
	char suffix[24];
	struct store *store;
	struct ns *ns;
	int drafts_fd;
	pthread_mutex_t lock; /* these: */
	struct seal *list;
	unsigned next_name;
};

int seals_open(struct store *store, struct ns *ns, struct seals **ret)
{
	struct seals *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->store = store;
	s->ns = ns;
	s->drafts_fd = store_drafts_fd(store);
	if (ns_branch(ns) != 1)
		snprintf(s->suffix, sizeof(s->suffix), BRANCH_MARK "%llu",
			 (unsigned long long)ns_branch(ns));
	pthread_mutex_init(&s->lock, NULL);
	*ret = s;
	return 0;
}

static void seal_free(struct seal *seal)
{
	close(seal->fd);
	free(seal);
}

void seals_close(struct seals *s)
{
	struct seal *seal;

	if (!s)
		return;
	while ((seal = s->list)) {
		s->list = seal->next;
		seal_free(seal); /* nobody knows what is durable */
	}
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* --- sealing -------------------------------------------------------------- */

static int put_body(const struct seal_info *i, struct draft *d, struct buf *b)
{
	buf_u64(b, i->seq);
	buf_u64(b, i->branch);
	buf_u64(b, i->ino);
	buf_u64(b, i->version);
	buf_u64(b, (uint64_t)i->mtime_ns);
	buf_u64(b, (uint64_t)i->row_mtime_ns);
	buf_u32(b, i->uid);
	buf_u32(b, i->pid);
	buf_add(b, i->program, sizeof(i->program));
	return draft_seal(d, &i->base, b);
}

static int give_name(struct seals *s, struct seal *seal)
{
	char path[64];
	unsigned tries;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", seal->fd);
	for (tries = 0; tries < 1000; tries++) {
		snprintf(seal->name, sizeof(seal->name),
			 DRAFTS_SEALED "%d-%u%s", (int)getpid(), s->next_name++,
			 s->suffix);
		if (!linkat(AT_FDCWD, path, s->drafts_fd, seal->name,
			    AT_SYMLINK_FOLLOW))
			return 0;
		if (errno != EEXIST)
			break;
	}
	/* a file system whose unnamed files stay so */
	return errno == ENOSPC || errno == EDQUOT ? -errno : -EOPNOTSUPP;
}

/* Behind the change that is the last one now. */
static int add_row(struct seals *s, struct seal *seal)
{
	struct db *db = store_db(s->store);
	int r;

	db_lock(db);
	r = db_begin(db);
	if (r >= 0)
		r = sealed_add(db, seal->name, ns_last_change(s->ns),
			       &seal->id);
	db_unlock(db);
	return r;
}

/* The row comes last, since it says that the file is there. */
static int make(struct seals *s, struct draft *d, const struct seal_info *info,
		struct seal *seal)
{
	CLEANUP_BUF struct buf body = BUF_INIT;
	uint64_t at;
	int r;

	/* as long as this process lives nobody else takes it in */
	if (flock(seal->fd, LOCK_EX | LOCK_NB) < 0)
		return -EOPNOTSUPP;
	r = put_body(info, d, &body);
	if (r >= 0)
		r = seal_file_write(seal->fd, &body, &at);
	if (r < 0)
		return r;
	pthread_mutex_lock(&s->lock);
	r = give_name(s, seal);
	pthread_mutex_unlock(&s->lock);
	if (r < 0)
		return r;
	r = add_row(s, seal);
	if (r < 0 && unlinkat(s->drafts_fd, seal->name, 0) < 0)
		log_warn("drafts/%s: cannot be removed: %s", seal->name,
			 err_name(errno));
	return r;
}

static void list(struct seals *s, struct seal *seal)
{
	pthread_mutex_lock(&s->lock);
	seal->next = s->list;
	s->list = seal;
	pthread_mutex_unlock(&s->lock);
}

int seal_make(struct seals *s, struct draft *d, const struct seal_info *info,
	      struct seal **ret)
{
	struct seal *seal;
	int r, fd = draft_fd(d);

	if (fd < 0)
		return -EOPNOTSUPP;
	seal = calloc(1, sizeof(*seal));
	if (!seal)
		return -ENOMEM;
	seal->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (seal->fd < 0) {
		free(seal);
		return -errno;
	}
	r = make(s, d, info, seal);
	if (r < 0) {
		seal_free(seal);
		return r;
	}
	list(s, seal);
	*ret = seal;
	return 0;
}

int seal_take(struct seals *s, struct seal *seal)
{
	struct db *db = store_db(s->store);
	int r = seal->id ? db_begin(db) : 0;

	/* where that changed nothing it holds as of the last change */
	return r < 0 || !seal->id
		       ? r
		       : sealed_take(db, seal->id, ns_last_change(s->ns));
}

void seal_done(struct seals *s, struct seal *seal, bool taken)
{
	pthread_mutex_lock(&s->lock);
	seal->over = taken;
	pthread_mutex_unlock(&s->lock);
}

void seal_damaged(struct seals *s, struct seal *seal, struct addr *ret)
{
	CLEANUP_BUF struct buf b = BUF_INIT;

	pthread_mutex_lock(&s->lock);
	seal->damaged = true;
	pthread_mutex_unlock(&s->lock);
	buf_fmt(&b, "%s %lld", seal->name, (long long)getpid());
	addr_derive(CONTEXT, b.data, b.len, ret);
	log_error("%s/drafts/%s: bytes of a file that was closed have changed "
		  "on the disk before it was taken in: it cannot be read until "
		  "it is written anew. What is left of it is kept "
		  "as " DRAFTS_DAMAGED
		  "%s: remove that when you do not need it",
		  store_path(s->store), seal->name,
		  seal->name + strlen(DRAFTS_SEALED));
}

/* --- syncing -------------------------------------------------------------- */

static struct seal *take_over(struct seals *s)
{
	struct seal **link = &s->list, *seal, *all = NULL;

	pthread_mutex_lock(&s->lock);
	while ((seal = *link)) {
		if (!seal->over) {
			link = &seal->next;
			continue;
		}
		*link = seal->next;
		seal->next = all;
		all = seal;
	}
	pthread_mutex_unlock(&s->lock);
	return all;
}

/* The file, then its row: one without a file was taken in. */
static int remove_seal(struct seals *s, struct seal *seal)
{
	char name[SEALED_NAME + 16];
	int r;

	snprintf(name, sizeof(name), DRAFTS_DAMAGED "%s",
		 seal->name + strlen(DRAFTS_SEALED));
	if (seal->damaged)
		r = renameat(s->drafts_fd, seal->name, s->drafts_fd, name);
	else
		r = unlinkat(s->drafts_fd, seal->name, 0);
	if (r < 0 && errno != ENOENT) {
		log_warn("drafts/%s: cannot be removed: %s", seal->name,
			 err_name(errno));
		return 0;
	}
	return seal->id ? sealed_drop(store_db(s->store), seal->id) : 0;
}

/* Their content is durable. */
static int remove_all(struct seals *s, struct seal *gone)
{
	struct db *db = store_db(s->store);
	struct seal *next;
	int r = 0, rc;

	db_lock(db);
	for (; gone; gone = next) {
		next = gone->next;
		rc = remove_seal(s, gone);
		r = r < 0 ? r : rc;
		seal_free(gone);
	}
	rc = db_commit(db);
	db_unlock(db);
	return r < 0 ? r : rc;
}

int seals_sync(struct seals *s)
{
	struct seal *gone = take_over(s), *next;
	int r = store_sync(s->store);

	if (r >= 0)
		return gone ? remove_all(s, gone) : 0;
	for (; gone; gone = next) {
		next = gone->next;
		seal_free(gone);
	}
	return r;
}

/* --- after a crash -------------------------------------------------------- */

static int read_seal(struct seals *s, int fd, struct seal_info *ret,
		     struct draft **ret_draft)
{
	CLEANUP(seal_file_done) struct seal_file f = {0};
	struct seal_info i = {0};
	const void *program;
	struct cur *c = &f.body;
	int r = seal_file_read(fd, &f);

	if (r < 0)
		return r;
	i.seq = f.first ? 0 : cur_u64(c);
	i.branch = f.first ? BRANCH_MAIN : cur_u64(c);
	i.ino = cur_u64(c);
	i.version = cur_u64(c);
	i.mtime_ns = (int64_t)cur_u64(c);
	i.row_mtime_ns = (int64_t)cur_u64(c);
	i.uid = cur_u32(c);
	i.pid = cur_u32(c);
	program = cur_bytes(c, sizeof(i.program));
	if (c->bad)
		return -EBADMSG;
	memcpy(i.program, program, sizeof(i.program));
	i.program[sizeof(i.program) - 1] = '\0';
	r = draft_restore(s->store, fd, f.at, c, !f.first, ret_draft);
	if (r >= 0)
		*ret = i;
	return r;
}

/* One without a row was closed in a batch that was never committed, or is
 * undone; but the first version of this program made no rows. */
static int take_in(struct seals *s, struct seal *seal, seal_fn fn, void *ctx)
{
	CLEANUP(draft_freep) struct draft *d = NULL;
	struct sealed row = {.id = 0};
	struct seal_info info;
	int r;

	db_lock(store_db(s->store));
	r = sealed_find(store_db(s->store), seal->name, &row);
	db_unlock(store_db(s->store));
	seal->id = row.id;
	if (r < 0 || row.taken)
		return r;
	r = read_seal(s, seal->fd, &info, &d);
	if (r >= 0 && !row.id && info.seq)
		r = -EBADMSG;
	return r < 0 ? r : fn(ctx, seal, &info, d);
}

/* Before its file goes the row has to say that nobody waits for it. */
static int settle(struct seals *s, struct seal *seal)
{
	struct db *db = store_db(s->store);
	int r;

	db_lock(db);
	r = seal_take(s, seal);
	if (r >= 0)
		r = db_commit(db);
	db_unlock(db);
	return r;
}

static int recover(struct seals *s, const char *name, seal_fn fn, void *ctx)
{
	struct seal *seal = calloc(1, sizeof(*seal));
	int r;

	if (!seal)
		return -ENOMEM;
	snprintf(seal->name, sizeof(seal->name), "%s", name);
	seal->fd = openat(s->drafts_fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (seal->fd < 0 || flock(seal->fd, LOCK_EX | LOCK_NB) < 0) {
		/* gone, or its process lives */
		if (seal->fd >= 0)
			close(seal->fd);
		free(seal);
		return 0;
	}
	r = take_in(s, seal, fn, ctx);
	if (r == -EBADMSG)
		log_warn("drafts/%s: a file that was closed in the last second "
			 "before a power cut is not whole: given up",
			 name);
	else if (r < 0 && r != -EXDEV)
		log_error("drafts/%s: cannot be taken in: %s", name,
			  err_name(r));
	seal->over = r >= 0 || r == -EBADMSG;
	list(s, seal);
	return seal->over ? settle(s, seal) : 0;
}

static int drop_if_gone(void *ctx, const struct sealed *row)
{
	struct seals *s = ctx;
	int r;

	if (!faccessat(s->drafts_fd, row->name, F_OK, AT_SYMLINK_NOFOLLOW) ||
	    errno != ENOENT)
		return 0;
	r = sealed_drop(store_db(s->store), row->id);
	return r < 0 ? r : 0;
}

/* Of files that were taken in and removed. */
static int drop_rows(struct seals *s)
{
	struct db *db = store_db(s->store);
	int r;

	db_lock(db);
	r = sealed_each(db, 0, drop_if_gone, s);
	if (r >= 0)
		r = db_commit(db);
	db_unlock(db);
	return r;
}

static bool is_seal(const char *name)
{
	return !strncmp(name, DRAFTS_SEALED, strlen(DRAFTS_SEALED)) &&
	       strncmp(name, DRAFTS_DAMAGED, strlen(DRAFTS_DAMAGED)) != 0 &&
	       strlen(name) < SEALED_NAME;
}

/* Of a branch that was removed: nobody will mount that. */
static bool is_nobodys(struct seals *s, const char *mark)
{
	uint64_t id = strtoull(mark + strlen(BRANCH_MARK), NULL, 10);
	struct branch b;
	int r;

	db_lock(store_db(s->store));
	r = branch_get(store_db(s->store), id, &b);
	db_unlock(store_db(s->store));
	return r == -ENOENT;
}

/* Those of other branches stay for their mounts. */
static bool is_own(struct seals *s, const char *name)
{
	const char *mark = strstr(name, BRANCH_MARK);

	return !strcmp(mark ? mark : "", s->suffix) ||
	       (mark && is_nobodys(s, mark));
}

int seals_recover(struct seals *s, seal_fn fn, void *ctx)
{
	int fd = openat(s->drafts_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	int r = 0;

	if (!d) {
		r = -errno;
		close_fdp(&fd);
		return r;
	}
	while (r >= 0 && (e = readdir(d)))
		if (is_seal(e->d_name) && is_own(s, e->d_name))
			r = recover(s, e->d_name, fn, ctx);
	closedir(d);
	return r < 0 ? r : drop_rows(s);
}
