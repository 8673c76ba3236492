/* Following what other processes do with the store.
 *
 * Rows are read from the database each time, so what is stale is what was made
 * of them: evaluation's values, and what the kernel keeps. Which of that has to
 * go is in the journals that other processes commit (core/journal.h tells of
 * them when a batch begins, and when it is asked): names that came or went,
 * inodes that are another, results that differ.
 *
 * A thread asks when the bell rings (cas/bell.h). A mount where nothing happens
 * anywhere has no wake-ups.
 *
 * The kernel: a regular file whose content is another now becomes another node
 * (see node_supersede()), as under the writeback cache nothing else changes its
 * size; names are forgotten all at once, and only when the kernel may know one
 * that is concerned; attributes of directories are asked for again. None of
 * that waits for anybody.
 */
#include "fs/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include "cas/bell.h"
#include "cas/changes.h"
#include "core/clock.h"

#define LOAD_MAX MIB(32) /* of journals; more: all is looked at anew */
#define STEP	 256	 /* effects at a time with the lock held */

struct range {
	struct range *next;
	struct addr from, to;
};

struct follow {
	struct fs *fs;
	struct bell bell;
	int wake_fd; /* eventfd */
	pthread_t thread;
	bool running;
	bool stop;		    /* atomic */
	struct range *first, *last; /* to be followed; db_lock */
};

/* What one range comes to. */
struct step {
	struct fs *fs;
	struct map *inodes; /* number -> &lost_name or &changed */
	unsigned effects;
	bool past; /* something of it is not kept any more */
	struct missed {
		fuse_ino_t id;
		bool list;
	} missed[64]; /* told to the kernel when it may not have known it */
	size_t n_missed;
};
static char changed, lost_name;

/* --- before it starts ----------------------------------------------------- */

#define AWAIT_NS (60 * NSEC_PER_SEC)

static bool is_held(int dir_fd, const char *name)
{
	CLEANUP_CLOSE int fd =
		openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

	return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 &&
	       errno == EWOULDBLOCK;
}

/* 1: something that another process closed is not in the store yet. */
static int any_sealed(int drafts_fd)
{
	int fd = openat(drafts_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	bool any = false;

	if (!d) {
		close_fdp(&fd);
		return -errno;
	}
	while (!any && (e = readdir(d)))
		any = !strncmp(e->d_name, DRAFTS_SEALED,
			       strlen(DRAFTS_SEALED)) &&
		      is_held(drafts_fd, e->d_name);
	closedir(d);
	return any;
}

int follow_await(struct fs *fs)
{
	const struct timespec pause = {.tv_nsec = 20000000};
	int64_t until = clock_mono_ns() + AWAIT_NS;
	int r;

	while ((r = any_sealed(store_drafts_fd(fs->store))) > 0) {
		if (clock_mono_ns() > until) {
			log_warn("%s: a large file that another process "
				 "closed is shown as it was before until that "
				 "has taken it in",
				 store_path(fs->store));
			return 0;
		}
		nanosleep(&pause, NULL);
	}
	return r;
}

/* --- effects -------------------------------------------------------------- */

static int note_inode(struct step *s, uint64_t ino, void *what)
{
	if (what == &changed && map_get_u64(s->inodes, ino))
		return 0;
	return map_put_u64(s->inodes, ino, what);
}

static int entry_changed(struct step *s, const struct journal_effect *e)
{
	int r;

	if (!e->name.p)
		return -ENODATA;
	name_changed(s->fs, e->dir, e->name.p, e->name.len);
	eval_inode_changed(s->fs->eval, e->ino);
	r = note_inode(s, e->dir, &changed);
	if (r < 0)
		return r;
	return note_inode(s, e->ino,
			  e->type == JOURNAL_DIED ? &lost_name : &changed);
}

static int result_changed(struct step *s, const struct journal_effect *e)
{
	struct addr recipe, addr = {0};

	if (!e->name.p || e->recipe.len != ADDR_LEN || !e->recipe.p)
		return -ENODATA;
	memcpy(recipe.b, e->recipe.p, ADDR_LEN);
	if (e->value.p && e->value.len == ADDR_LEN)
		memcpy(addr.b, e->value.p, ADDR_LEN);
	eval_result_changed(s->fs->eval, e->dir, e->name.p, e->name.len,
			    &recipe, e->error, &addr);
	return 0;
}

/* db_lock is held, and let go of now and then. */
static int effect(void *ctx, const struct journal_record *r,
		  const struct journal_effect *e)
{
	struct step *s = ctx;

	if (++s->effects % STEP == 0) {
		fs_unlock(s->fs);
		db_lock(s->fs->db);
	}
	if (e->type == JOURNAL_GONE || e->type == JOURNAL_SCRUBBED)
		s->past = true; /* of main, whoever did it */
	if (r->branch != ns_branch(s->fs->ns))
		return 0; /* what other branches do is not seen here */
	switch (e->type) {
	case JOURNAL_BORN:
	case JOURNAL_DIED:
		return entry_changed(s, e);
	case JOURNAL_INODE:
		eval_inode_changed(s->fs->eval, e->ino);
		return note_inode(s, e->ino, &changed);
	case JOURNAL_XATTR:
	case JOURNAL_NOXATTR:
		return note_inode(s, e->ino, &changed);
	case JOURNAL_RESULT:
		return result_changed(s, e);
	case JOURNAL_GONE:
	case JOURNAL_SCRUBBED:
	case JOURNAL_DROPPED: /* rows are looked at anew each time */
	case JOURNAL_VALUES:
	case JOURNAL_SNAPSHOT:
	case JOURNAL_PIN:
	case JOURNAL_UNPIN:
	case JOURNAL_SETTING:
	case JOURNAL_BRANCH:
	case JOURNAL_UNBRANCH:
	case JOURNAL_MERGED:
		return 0;
	}
	return 0;
}

/* --- the kernel ----------------------------------------------------------- */

/* 1: the kernel has to ask for the attributes of *ret_id again. *ret_held: a
 * file that is open, and whose content is to be held; its node is held, too. */
static int refresh(struct fs *fs, struct node *n, void *what,
		   fuse_ino_t *ret_id, struct node **ret_held)
{
	struct ns_attr a;
	int r;

	if (n)
		n->acls = 0;
	if (!n || (!n->lookups && n != fs->root))
		return 0;
	if (what == &lost_name)
		fs->forget_names = true;
	*ret_id = node_id(fs, n);
	if (!S_ISREG(n->mode))
		return 1;
	r = ns_getattr(fs->ns, NS_NOW, n->ino, &a);
	if (n->file && (r < 0 || !a.nlink || a.version != n->version)) {
		n->opens++;
		*ret_held = n;
	}
	if (r < 0 || !a.nlink)
		return 1;
	if (a.version != n->version || !n->opens) {
		node_supersede(fs, n);
		return 0;
	}
	return 1;
}

static void ask_missed(struct step *s)
{
	const struct timespec moment = {.tv_nsec = 10000000};
	const struct missed *m;

	if (!s->n_missed)
		return;
	nanosleep(&moment, NULL);
	while (s->n_missed) {
		m = &s->missed[--s->n_missed];
		if (m->list)
			list_forget(s->fs, m->id);
		else
			fuse_lowlevel_notify_inval_inode(s->fs->se, m->id, -1,
							 0);
	}
}

static void add_missed(struct step *s, fuse_ino_t id, bool list)
{
	if (s->n_missed == ARRAY_LEN(s->missed))
		ask_missed(s);
	s->missed[s->n_missed++] = (struct missed){id, list};
}

/* Attributes alone: that waits for nobody. A node whose look-up is just being
 * answered is not known yet; it is told a moment later. */
static void ask_again(struct step *s, fuse_ino_t id)
{
	int r = fuse_lowlevel_notify_inval_inode(s->fs->se, id, -1, 0);

	if (r == -ENOENT)
		add_missed(s, id, false);
}

/* Moments never change, but for what is let go of: the kernel forgets what it
 * has of it. */
static void refresh_past(struct step *s)
{
	struct fs *fs = s->fs;
	CLEANUP_BUF struct buf ids = BUF_INIT;
	struct node *n;
	fuse_ino_t id;
	size_t it = 0;

	db_lock(fs->db);
	ns_past_changed(fs->ns);
	while ((n = node_table_next(fs->nodes, &it)))
		if (n->kind == NODE_PAST && n->lookups) {
			id = node_id(fs, n);
			buf_add(&ids, &id, sizeof(id));
		}
	fs->forget_names = true;
	derived_told(fs);
	fs_unlock(fs);
	for (it = 0; it < ids.len; it += sizeof(id)) {
		memcpy(&id, ids.data + it, sizeof(id));
		fuse_lowlevel_notify_inval_inode(fs->se, id, 0, 0);
	}
}

static void refresh_inodes(struct step *s)
{
	struct fs *fs = s->fs;
	const void *key;
	size_t it = 0, len, n = 0;
	struct node *held, *node;
	fuse_ino_t id, list;
	uint64_t ino;
	bool listing;
	void *what;
	int r;

	while (map_next(s->inodes, &it, &key, &len, &what)) {
		memcpy(&ino, key, sizeof(ino));
		held = NULL;
		db_lock(fs->db);
		node = node_find_source(fs, ino);
		list = node ? list_changed(fs, node) : 0;
		listing = list && node->dir.cachers;
		r = refresh(fs, node, what, &id, &held);
		if (++n % STEP == 0)
			derived_told(fs);
		db_unlock(fs->db);
		if (held) {
			file_hold(fs, held);
			db_lock(fs->db);
			file_release(fs, held, false);
			fs_unlock(fs);
		}
		list_forget(fs, list);
		if (listing) /* it may just be getting what was there */
			add_missed(s, list, true);
		if (r)
			ask_again(s, id);
	}
	db_lock(fs->db);
	derived_told(fs);
	fs_unlock(fs);
	ask_missed(s);
}

/* --- everything anew ------------------------------------------------------ */

static int note_node(struct step *s, const struct node *n)
{
	return n->kind == NODE_SOURCE && !n->old
		       ? note_inode(s, n->ino, &lost_name)
		       : 0;
}

static int note_all(struct step *s)
{
	struct node *n;
	size_t it = 0;
	int r = 0;

	while (r >= 0 && (n = node_table_next(s->fs->nodes, &it)))
		r = note_node(s, n);
	return r;
}

/* What happened cannot be told in detail. */
static int follow_blindly(struct step *s)
{
	int r;

	db_lock(s->fs->db);
	eval_all_changed(s->fs->eval);
	s->fs->forget_names = true;
	r = note_all(s);
	fs_unlock(s->fs);
	return r;
}

static int follow_changes(struct step *s, struct changes *c)
{
	int r;

	db_lock(s->fs->db);
	r = changes_each(c, effect, s);
	fs_unlock(s->fs);
	return r;
}

static int follow_range(struct fs *fs, const struct range *range)
{
	CLEANUP(changes_freep) struct changes *c = NULL;
	struct step s = {.fs = fs, .inodes = map_new()};
	int r;

	if (!s.inodes)
		return -ENOMEM;
	r = changes_load(fs->store, &range->from, &range->to, LOAD_MAX, &c);
	if (r >= 0)
		r = follow_changes(&s, c);
	if (r < 0) {
		if (r != -E2BIG)
			log_warn("%s: what another process changed cannot be "
				 "read in detail: %s",
				 store_path(fs->store), err_name(r));
		r = follow_blindly(&s);
	}
	refresh_inodes(&s);
	if (s.past)
		refresh_past(&s);
	map_free(s.inodes);
	return r;
}

/* --- the thread ----------------------------------------------------------- */

static void wake(struct follow *f)
{
	uint64_t one = 1;

	if (write(f->wake_fd, &one, sizeof(one)) < 0)
		log_debug("eventfd: %s", err_name(errno));
}

/* From within journal_look(), or at the start of a batch. */
static void news(void *ctx, const struct addr *from, const struct addr *to)
{
	struct follow *f = ctx;
	struct range *r;

	events_wake(f->fs);
	/* they follow each other, but for our own in between */
	if (f->last && addr_eq(&f->last->to, from)) {
		f->last->to = *to;
		return;
	}
	r = calloc(1, sizeof(*r));
	if (!r) {
		log_error("out of memory: changes of other processes are "
			  "missed");
		return;
	}
	r->from = *from;
	r->to = *to;
	if (f->last)
		f->last->next = r;
	else
		f->first = r;
	f->last = r;
	wake(f);
}

static struct range *take_range(struct follow *f)
{
	struct range *r = f->first;

	if (r) {
		f->first = r->next;
		f->last = f->first ? f->last : NULL;
	}
	return r;
}

static void look(struct follow *f)
{
	struct fs *fs = f->fs;
	struct range *range;
	bool lost;
	int r = 0;

	db_lock(fs->db);
	if (!db_in_batch(fs->db))
		r = journal_look(fs->journal);
	if (r < 0)
		log_error("%s: changes of other processes cannot be followed: "
			  "%s",
			  store_path(fs->store), err_name(r));
	while ((range = take_range(f))) {
		db_unlock(fs->db);
		r = follow_range(fs, range);
		if (r < 0)
			log_error("%s: changes of other processes are missed: "
				  "%s",
				  store_path(fs->store), err_name(r));
		free(range);
		db_lock(fs->db);
	}
	lost = fs->forget_lists;
	fs->forget_lists = false;
	db_unlock(fs->db);
	if (lost)
		lists_lost(fs);
}

static void drain(int fd)
{
	uint64_t n;

	while (read(fd, &n, sizeof(n)) > 0)
		;
}

static void *follower(void *arg)
{
	struct follow *f = arg;
	struct pollfd wake_fd = {.fd = f->wake_fd, .events = POLLIN};

	for (;;) {
		bell_wait(&f->bell, &wake_fd);
		if (__atomic_load_n(&f->stop, __ATOMIC_ACQUIRE))
			return NULL;
		drain(f->wake_fd);
		look(f);
	}
}

void follow_wake(struct fs *fs)
{
	if (fs->follow)
		wake(fs->follow);
}

int follow_start(struct fs *fs)
{
	struct follow *f = calloc(1, sizeof(*f));
	int r;

	if (!f)
		return -ENOMEM;
	f->fs = fs;
	f->wake_fd = -1;
	fs->follow = f;
	bell_open(store_path(fs->store), &f->bell);
	f->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (f->wake_fd < 0)
		return -errno;
	db_lock(fs->db);
	r = journal_set_news(fs->journal, news, f);
	db_unlock(fs->db);
	if (r >= 0)
		r = -pthread_create(&f->thread, NULL, follower, f);
	f->running = !r;
	return r;
}

void follow_stop(struct fs *fs)
{
	struct follow *f = fs->follow;

	if (!f || !f->running)
		return;
	__atomic_store_n(&f->stop, true, __ATOMIC_RELEASE);
	wake(f);
	pthread_join(f->thread, NULL);
	f->running = false;
}

/* When no batch can begin any more. */
void follow_free(struct fs *fs)
{
	struct follow *f = fs->follow;
	struct range *r;

	if (!f)
		return;
	while ((r = take_range(f)))
		free(r);
	close_fdp(&f->wake_fd);
	bell_close(&f->bell);
	free(f);
	fs->follow = NULL;
}
