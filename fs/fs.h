/* fs/fs.h - inside the mount: its state, and who may touch what.
 *
 * Private to fs/. A node is what the kernel knows by a node id (the node's
 * pointer); what it stands for:
 *
 *	SOURCE	an inode of the present. Its content may be a draft. When
 *		another process gives the inode another content, the node is
 *		old, and the inode's next look-up makes a new one: an open
 *		file keeps what it opened, as after an atomic rename.
 *	PLACE	a derived name whose content is not known, or not any more:
 *		GETATTR and OPEN compute and answer ESTALE, whereupon the
 *		kernel looks the name up again and gets the value.
 *	VALUE	a derived name with one certain content. Another content is
 *		another node: nothing changes under the kernel's caches.
 *	DIR	a derived name that is a directory: one node, whatever is in
 *		it; TREE an entry of a directory object. See tree.c.
 *	PAST	an inode as it was at a change number.
 *	VIEW	a directory of what a run sees; CONTENT a file in it, shared
 *		by all runs.
 *	LIVE	a directory or link of what a run sees whose inputs are
 *		observed: recipes/observe.h looks, and notes it.
 *	CONTROL	a directory or file of .deriva; TEXT a file there that is
 *		made up when it is opened.
 *	HISTORY	a path of .deriva/history: all that it ever led to.
 *
 * Locks, outermost first: a file's lock (struct file), db_lock(), whatever cas
 * has. Nobody takes a file's lock while holding db_lock(). Nodes, parked
 * requests, the evaluation and the namespace are all under db_lock(). Requests
 * may be answered under it; notifications that can wait for other requests
 * (invalidation of pages or entries) are sent without any lock.
 */
#ifndef FS_FS_H
#define FS_FS_H

#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>

#include "cas/blob_spans.h"
#include "cas/store.h"
#include "core/journal.h"
#include "core/map.h"
#include "core/ns.h"
#include "core/results.h"
#include "fs/draft.h"
#include "fs/mount.h"
#include "fs/node_table.h"
#include "fs/seal.h"
#include "fs/serve.h"
#include "recipes/eval.h"

#include <pthread.h>

#define FOREVER	     (365.0 * 86400) /* seconds; told when it ends */
#define CONTROL_NAME ".deriva"

enum node_kind {
	NODE_SOURCE = 1,
	NODE_PLACE,
	NODE_VALUE,
	NODE_DIR,
	NODE_TREE,
	NODE_PAST,
	NODE_VIEW,
	NODE_CONTENT,
	NODE_LIVE,
	NODE_CONTROL,
	NODE_TEXT,
	NODE_HISTORY,
};

enum control {
	CTL_ROOT = 1,
	CTL_AT,
	CTL_WHY, /* directories; ino is the directory they mirror */
	CTL_OUTPUT,
	CTL_RUN,
	CTL_HISTORY,
	CTL_BY_ADDR,
	CTL_VERIFY,
	CTL_GRAPH,
	CTL_RECIPES,
	CTL_STATUS, /* texts */
	CTL_JOBS,
	CTL_PINS,
	CTL_EVENTS,
	CTL_BRANCHES,
	CTL_RETRY, /* take a path */
	CTL_DROP,
	CTL_PIN,
	CTL_UNPIN,
	CTL_SNAPSHOT, /* takes a name */
	CTL_BRANCH,   /* the present one; takes what branches.c says */
	CTL_SETTINGS, /* lines, to be read and written */
	CTL_BUILD,    /* takes a request, see request.c */
};

/* A source's content, while somebody has it open. */
struct file {
	pthread_rwlock_t lock;
	struct draft *draft; /* open for writing and written to */
	struct seal *seal;   /* the draft is closed, and on its way in */
	uint64_t sealed;     /* bytes promised for it; atomic; 0: none */
	struct blob *blob;   /* what is read when there is no draft */
	struct addr blob_addr;
	int64_t mtime_ns;  /* as the kernel said since the draft began; or 0 */
	int64_t ctime_ns;  /* likewise; both atomic */
	uint64_t size;	   /* of the draft; atomic */
	uint64_t data;	   /* of it what is no hole; atomic */
	bool drafted;	   /* atomic: size counts, not the inode's */
	bool unkept;	   /* atomic: and a version is still to come of it; it
			    * ends under db_lock() */
	uint32_t uid, pid; /* who opened it for writing last */
	char program[32];
	int64_t open_ns; /* for writing, since then; save_ns: see saver.c */
	int64_t save_ns; /* both under db_lock() */
};

/* What the kernel may keep of a directory's listing. */
struct dir_state {
	unsigned cachers; /* open handles whose listing it keeps */
	unsigned changes; /* how often it was told to forget it */
	unsigned epoch;	  /* fs->epochs when it was listed last */
	uint16_t missed;  /* look-ups since it was opened last */
	uint8_t recipes;  /* whether there are: see dir.c */
};

struct node {
	enum node_kind kind;
	enum control control;
	uint64_t lookups; /* the kernel's references */
	unsigned opens;	  /* open handles */
	unsigned writers; /* of which for writing */
	uint32_t hash;	  /* of the key */
	uint16_t key_len;
	bool executable;
	bool ghost;	    /* PLACE, DIR: shown once more, see ghost.c */
	bool unlinked;	    /* SOURCE: its row goes with the node */
	bool old;	    /* SOURCE: no look-up leads here any more */
	bool stale;	    /* SOURCE: not old yet, but about to be */
	uint8_t acls : 4;   /* SOURCE: lists that it is known not to have, acl.c
			     */
	uint8_t pushed : 1; /* a file: the kernel has been given all of it */

	uint32_t mode, uid, gid; /* TREE; SOURCE: as the row last said */
	uint64_t at;	  /* PLACE, VALUE, DIR, PAST, TEXT; run of TREE */
	uint64_t ino;	  /* SOURCE, PAST; directory of PLACE, VALUE, TEXT,
			   * CONTROL; run of VIEW; TREE: as stat shows it */
	struct addr addr; /* VALUE, CONTENT; SOURCE: as the kernel was told */
	uint64_t size;
	int64_t since_ns;  /* VALUE; SOURCE: mtime */
	uint64_t version;  /* SOURCE: of addr; 0: the kernel was told nothing;
			    * TREE: of a device which */
	struct blob *blob; /* of what never changes, since it was opened */
	union {
		const struct view_node *view; /* VIEW */
		char *target;  /* TREE that is a link; HISTORY: its path */
		uint64_t told; /* SOURCE: hash of what the last look-up was
				* told, see node_recheck() */
	};

	struct file *file; /* SOURCE: while opens > 0 */
	struct name *name; /* PLACE, VALUE, DIR */
	union {
		struct { /* SOURCE, a regular file: in fs->writers */
			struct node *write_next, **write_link;
		};
		struct dir_state dir; /* SOURCE, a directory: dir.c */
	};
	struct node *next; /* of the same name; old: of the same inode */

	uint8_t key[];
};

/* A derived name that the kernel or a parked request knows. */
struct name {
	uint64_t at, dir;
	struct node *nodes;
	size_t len;
	char text[]; /* NUL-terminated */
};

/* A directory object, and what its entries take from where it is shown. */
struct tree_at {
	struct addr addr;
	uint64_t ino;
	uint32_t mode, uid, gid; /* mode: read bits */
	int64_t since_ns;
	uint64_t run; /* that it is shown to, or 0 */
};

/* An open file or directory. */
struct handle {
	struct node *node;
	int flags;
	struct buf text;	 /* of TEXT and CONTROL */
	struct entries *entries; /* of a directory */
	bool caches;		 /* a directory: the kernel keeps it */
	unsigned changes;	 /* as dir.changes was at the last reading */
	struct reader *events;	 /* of .deriva/events */
	struct request *request; /* of .deriva/build */
	struct tree_at *tree;	 /* of a DIR: what it held when opened */
	struct addr kept;	 /* of a directory object; else zero */
	unsigned lost; /* as fs->lost was when it was opened or last told */
};

struct known_program {
	pid_t pid;
	int64_t until_ns;
	char name[32];
};

struct fs {
	struct mount_options opt;
	char *mountpoint;
	uid_t uid;
	gid_t gid;
	int64_t started_ns;
	bool selinux; /* the kernel has it */
	bool greeted; /* the kernel has been told what we can do; atomic */
	bool epoch;   /* the kernel can forget all names at once */
	bool kernel_checks; /* also what it has cached */
	bool lists;	    /* by ACLs, too, which can be had: acl.c */
	bool checks; /* rights are checked here, not by the kernel: rights.c */

	struct store *store;
	struct db *db;
	struct ns *ns;
	struct journal *journal;
	struct results *results;
	struct sandbox *sandbox;
	struct eval *eval;
	struct fuse_session *se;
	struct node *root;

	struct node_table *nodes;
	struct map *names;  /* at, dir, name -> name */
	struct map *parked; /* id -> parked */
	struct map *views;  /* id -> view_node */
	struct map *lives;  /* id -> live, for runs whose inputs are observed */
	struct map *listed; /* directory -> listing (ahead.c) */
	struct map *ghosts; /* directory -> who listed it, see ghost.c */
	int ghost_pid;	    /* who removed last, since the last listing */
	struct map *graces; /* thread -> grace */
	struct map *olds;   /* inode -> its old nodes */
	struct map *mixed;  /* directory -> node, see dir.c */
	struct follow *follow;
	struct events *events;
	struct request *requests; /* open .deriva/build */
	struct known_program programs[64];
	uint64_t next_id;
	bool closing;
	bool forget_names; /* the kernel has to, before anybody is answered */
	bool forget_lists; /* likewise, soon: what they showed was lost */
	unsigned epochs;   /* how often it had to forget names */

	struct seals *seals;
	struct taker *taker;
	struct saver *saver;
	struct node *writers; /* nodes that are open for writing */
	struct crew *crew;    /* while it is served */

	unsigned lost;	   /* batches that could not be committed; atomic */
	uint64_t promised; /* bytes on their way to the disk; atomic */
	int64_t plenty_until_ns; /* the disk need not be asked; atomic */
	unsigned helpers; /* threads beside the session's; under commit_lock */
	int64_t batch_ns; /* when the open batch was first seen; 0: none */
	pthread_t committer, syncer, keeper;
	bool keeping, keeper_stop; /* the latter atomic */
	bool committing, syncing;
	pthread_mutex_t commit_lock;
	pthread_cond_t commit_cond;
	bool commit_wanted, commit_stop;
	int64_t unsynced_ns; /* since then something is; 0: nothing */
};

static inline struct fs *fs_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

/* --- node.c ------------------------------------------------------------- */

struct node *node_of(struct fs *fs, fuse_ino_t id);
fuse_ino_t node_id(const struct fs *fs, const struct node *n);
/* Finds or makes; with no reference added. NULL: no memory. */
struct node *node_source(struct fs *fs, uint64_t ino);
struct node *node_past(struct fs *fs, uint64_t at, uint64_t ino);
struct node *node_place(struct fs *fs, uint64_t at, uint64_t dir,
			const char *name, size_t len);
struct node *node_dir(struct fs *fs, uint64_t at, uint64_t dir,
		      const char *name, size_t len);
struct node *node_tree(struct fs *fs, uint64_t ino, const struct addr *a);
struct node *node_value(struct fs *fs, uint64_t at, uint64_t dir,
			const char *name, size_t len,
			const struct eval_value *v);
struct node *node_content(struct fs *fs, const struct addr *a, uint64_t size,
			  bool executable);
struct node *node_view(struct fs *fs, uint64_t id,
		       const struct view_node *view);
/* place: as recipes/observe.h calls it. */
struct node *node_live(struct fs *fs, uint64_t id, size_t place, bool link);
struct node *node_control(struct fs *fs, enum control c, uint64_t ino);
/* path: below the root, without slashes at its ends. */
struct node *node_history(struct fs *fs, const char *path);
struct node *node_text(struct fs *fs, enum control c, uint64_t dir,
		       const char *name, size_t len);
/* The present node of an inode if there is one. */
struct node *node_find_source(struct fs *fs, uint64_t ino);
struct name *name_find(struct fs *fs, uint64_t at, uint64_t dir,
		       const char *name, size_t len);
/* Another process gave it another content: the kernel has to make a new inode
 * of it. What it knows, and who has it open, keeps the old one. */
void node_supersede(struct fs *fs, struct node *n);
/* The nodes of an inode, the present one first; start with NULL. */
struct node *node_next_source(struct fs *fs, uint64_t ino,
			      const struct node *after);
const char *node_text_name(const struct node *n, size_t *ret_len);
/* After the kernel let go of some of its references to a file, but not of all.
 */
void node_recheck(struct fs *fs, struct node *n);
void node_forget(struct fs *fs, struct node *n, uint64_t lookups);
/* Frees it when neither the kernel nor a handle holds it. */
void node_drop(struct fs *fs, struct node *n);
void nodes_free(struct fs *fs);
uint64_t hash_ino(const void *p, size_t n);

/* --- attr.c ------------------------------------------------------------- */

/* What GETATTR says; db_lock held. */
int node_attr(struct fs *fs, struct node *n, struct stat *ret) MUST_USE;
void attr_stat(const struct ns_attr *a, uint64_t ino, struct stat *ret);
/* Bytes of a content that are no holes, as far as a short look tells. */
uint64_t content_data(struct fs *fs, const struct addr *a, uint64_t size);
/* How long the kernel may believe it. */
double attr_timeout(struct fs *fs, const struct node *n);
double entry_timeout(struct fs *fs, const struct node *n);
/* Fills an entry and takes one reference; db_lock held. */
int node_entry(struct fs *fs, struct node *n,
	       struct fuse_entry_param *ret) MUST_USE;
struct ns_by by_of(fuse_req_t req, char program[32]);
void node_path(struct fs *fs, const struct node *n, struct buf *ret);

/* --- rights.c ----------------------------------------------------------- */

/* Whether the one user of this mount may do that (R_OK, W_OK, X_OK): 0 or
 * -EACCES. 0 where the kernel checks. db_lock held. */
int may(struct fs *fs, struct node *n, int what) MUST_USE;
/* Whether that user may set these attributes: 0, -EPERM. */
int may_set(struct fs *fs, struct node *n, const struct stat *st,
	    int valid) MUST_USE;

/* The kernel leaves it to us (init.c): who writes to a file, or gives it away,
 * takes its setuid and setgid bits. chowned: whoever does it; -EPERM when that
 * is not theirs to do. */
int privileges_drop(fuse_req_t req, struct node *n, bool chowned);

/* Whether who asks is in the group, as the kernel would look. */
bool member(fuse_req_t req, gid_t gid);

/* --- acl.c --------------------------------------------------------------- */

struct acl;

/* What an inode of the present has as ACL_ACCESS or ACL_DEFAULT, to be freed;
 * -ENODATA: none. All under db_lock. */
int acl_of(struct fs *fs, struct node *n, const char *name,
	   struct acl **ret) MUST_USE;
/* SETXATTR of one, or (value NULL) REMOVEXATTR. */
int acl_set(fuse_req_t req, struct node *n, const char *name, const void *value,
	    size_t size, int flags) MUST_USE;
/* The mode was changed. */
int acl_follow(struct fs *fs, const struct ns_by *by, struct node *n,
	       uint32_t mode) MUST_USE;

/* What a new inode gets of its directory. */
struct new_acl {
	struct acl *access;
	struct acl *fallback; /* for what is made in it; of a directory */
};
/* Takes from the mode what the directory's list, or else the umask, takes;
 * then, when there is an inode, gives it its lists. */
int acl_begin(struct fs *fs, struct node *dir, mode_t umask, uint32_t *mode,
	      struct new_acl *ret) MUST_USE;
int acl_end(struct fs *fs, const struct ns_by *by, uint64_t ino,
	    const struct new_acl *a) MUST_USE;
void new_acl_done(struct new_acl *a);

/* --- init.c ------------------------------------------------------------- */

/* Takes part in what the kernel and libfuse agree on; after mounting, before
 * the first request. */
int init_extend(struct fs *fs) MUST_USE;

/* --- request.c --------------------------------------------------------------
 */

/* The handles of .deriva/build. db_lock held, but for request_read(), which
 * answers the request now or later. */
int request_open(struct fs *fs, struct handle *h) MUST_USE;
int request_write(struct handle *h, const char *p, size_t n) MUST_USE;
void request_read(struct fs *fs, struct handle *h, fuse_req_t req, size_t size,
		  uint64_t off);
void request_close(struct fs *fs, struct handle *h);
/* Before the evaluation is closed: gives all of them up, and answers. */
void requests_end(struct fs *fs);
void requests_free(struct fs *fs);

/* --- lookup.c ----------------------------------------------------------- */

/* One step below a directory node, without a reference; db_lock held. */
int lookup_child(struct fs *fs, struct node *dir, const char *name, int pid,
		 struct node **ret) MUST_USE;
/* Below a directory of the namespace at a moment. */
int lookup_at(struct fs *fs, uint64_t at, uint64_t dir, const char *name,
	      int pid, struct node **ret) MUST_USE;
/* A root-relative path to (directory, last name). */
int lookup_path(struct fs *fs, const char *path, uint64_t *ret_dir,
		const char **ret_name) MUST_USE;

/* --- file.c ------------------------------------------------------------- */

/* by: who opens, noted when it is for writing. */
int file_open(struct fs *fs, struct node *n, bool write,
	      const struct ns_by *by) MUST_USE;
void file_release(struct fs *fs, struct node *n, bool write);
ssize_t file_read(struct fs *fs, struct node *n, void *p, size_t size,
		  uint64_t off) MUST_USE;
/* The same without a copy. -E2BIG: only file_read() can. */
int file_spans(struct fs *fs, struct node *n, size_t size, uint64_t off,
	       struct blob_spans *ret) MUST_USE;
int file_write(struct fs *fs, struct node *n, const void *p, size_t size,
	       uint64_t off, bool cached) MUST_USE;
int file_truncate(struct fs *fs, struct node *n, uint64_t size) MUST_USE;
/* fallocate(2) of the range from off to end. */
int file_allocate(struct fs *fs, struct node *n, int mode, uint64_t off,
		  uint64_t end) MUST_USE;
/* The content as it is now, to be closed; what was written to it is taken in
 * for that. -EAGAIN: ask again. */
int file_share(struct fs *fs, struct node *n, struct blob **ret) MUST_USE;
/* Bytes of a blob, which is taken if that works. */
int file_copy(struct fs *fs, struct node *n, uint64_t at, struct blob *from,
	      uint64_t off, uint64_t size) MUST_USE;
/* Takes a draft in as a version. finish: also when only its size was set. */
int file_commit(struct fs *fs, struct node *n, bool finish) MUST_USE;
/* A close of a file that was written: a large draft is sealed, and taken in in
 * the background; else as file_commit(). */
int file_close(struct fs *fs, struct node *n, bool finish) MUST_USE;
/* What file_close() left to be done. -EAGAIN: there is no room on the disk for
 * it now, nothing has changed; with give_up it is left to the next mount. */
int file_take_in(struct fs *fs, struct node *n, bool give_up) MUST_USE;
/* Its content is found now, though nobody may have read it yet: it will not be
 * in the rows any more. */
void file_hold(struct fs *fs, struct node *n);
/* Takes in all drafts, when the mount ends with files open. */
void files_commit(struct fs *fs);
/* Bytes that keeping it now would have to take in. */
uint64_t file_changed(struct node *n);
/* Times from the kernel, 0 where it said none; true: kept with the draft. */
bool file_keep_times(struct node *n, int64_t mtime_ns, int64_t ctime_ns);
int file_seek(struct fs *fs, struct node *n, uint64_t off, bool hole,
	      uint64_t *ret) MUST_USE;

/* --- taker.c: sealed drafts, one after the other ------------------------- */

int taker_start(struct fs *fs) MUST_USE;
/* Ends when all is taken in. */
void taker_stop(struct fs *fs);
/* Whether a draft of that many bytes should be left to it now. */
bool taker_wants(struct fs *fs, uint64_t bytes);
int taker_add(struct fs *fs, struct node *n) MUST_USE;
/* Until all that was there at the call is taken in, for a few seconds. */
void taker_wait(struct fs *fs);
/* What a process that died had sealed, before anything is mounted. */
int taker_recover(struct fs *fs) MUST_USE;

/* --- derived.c ---------------------------------------------------------- */

/* Answers GETATTR or OPEN of a PLACE or VALUE, now or later. */
void derived_getattr(struct fs *fs, fuse_req_t req, struct node *n);
void derived_open(struct fs *fs, fuse_req_t req, struct node *n,
		  const struct fuse_file_info *fi);
/* OPEN of a text of .deriva/verify. */
void derived_verify(struct fs *fs, fuse_req_t req, struct node *n,
		    const struct fuse_file_info *fi);
/* Answers an xattr of one, which needs its content, now or later. */
void derived_addr(struct fs *fs, fuse_req_t req, struct node *n, size_t size);
/* Answers what state one is in: nothing is run, but what is known is looked
 * up. */
/* A name in a DIR; the DIR as it is opened. */
void derived_child(struct fs *fs, fuse_req_t req, struct node *n,
		   const char *name);
void derived_opendir(struct fs *fs, fuse_req_t req, struct node *n,
		     const struct fuse_file_info *fi);
void derived_state(struct fs *fs, fuse_req_t req, struct node *n, size_t size);
/* The node that a derived name stands for at this moment. */
int derived_lookup(struct fs *fs, uint64_t at, uint64_t dir, const char *name,
		   size_t len, int pid, struct node **ret) MUST_USE;
bool derived_current(struct fs *fs, const struct node *n);
/* Makes the kernel forget names, when forget_names says so. */
void derived_told(void *fs);
void derived_init(struct fs *fs, struct eval_host *ret);
void parked_free(struct fs *fs);

/* --- ahead.c ------------------------------------------------------------ */

void ahead_listed(struct fs *fs, uint64_t dir, pid_t pid);
void ahead_wanted(struct fs *fs, const struct node *n, pid_t pid);
void ahead_interrupted(struct fs *fs, uint64_t dir);
void ahead_free(struct fs *fs);

/* --- grace.c, ghost.c; see there ---------------------------------------- */

/* since_ns: when the thread began to wait, by the clock of changes. */
void grace_add(struct fs *fs, int pid, const struct name *nm, int64_t since_ns,
	       const struct eval_value *v);
/* What the thread is promised of that name, or NULL. */
const struct eval_value *grace_of(struct fs *fs, int pid, uint64_t at,
				  uint64_t dir, const char *name, size_t len);
/* The moment of the past in which something is promised to it, if any. */
bool grace_moment(struct fs *fs, int pid, uint64_t *ret_at,
		  int64_t *ret_since_ns);
void grace_drop(struct fs *fs, int pid);
void graces_free(struct fs *fs);

/* The thread listed a directory in which names are derived. */
void ghosts_listed(struct fs *fs, uint64_t dir, int pid);
/* It removed a name. */
void ghosts_removed(struct fs *fs, int pid);
/* Whether the thread may find the name once more. */
bool ghost_show(struct fs *fs, uint64_t dir, const char *name, size_t len,
		int pid);
bool ghost_is_dir(struct fs *fs, uint64_t dir, const char *name, size_t len);
/* Whether it may unlink what cannot be found. */
bool ghost_take(struct fs *fs, uint64_t dir, const char *name, size_t len,
		int pid);
void ghosts_free(struct fs *fs);

/* --- tree.c -------------------------------------------------------------- */

/* What has no time of its own has that of the zip epoch, as
 * SOURCE_DATE_EPOCH in the sandbox. */
#define NO_TIME_NS (INT64_C(315532800) * NSEC_PER_SEC)

/* Where the children of a TREE node, of a DIR with that value, of an input of
 * a run come from. */
void tree_at_node(const struct node *n, struct tree_at *ret);
int tree_at_value(struct fs *fs, const struct node *n,
		  const struct eval_value *v, struct tree_at *ret) MUST_USE;
void tree_at_view(const struct fs *fs, uint64_t run, const struct view_node *v,
		  struct tree_at *ret);
/* One of them, and the whole as a node. */
int tree_child(struct fs *fs, const struct tree_at *at, const char *name,
	       struct node **ret) MUST_USE;
int tree_top(struct fs *fs, const struct tree_at *at,
	     struct node **ret) MUST_USE;
int tree_list(struct fs *fs, const struct tree_at *at,
	      int (*fn)(void *ctx, const char *name, size_t len, uint64_t ino,
			uint32_t mode),
	      void *ctx) MUST_USE;
void tree_attr(struct fs *fs, const struct node *n, struct stat *ret);
int tree_dir_attr(struct fs *fs, struct node *n, struct stat *ret) MUST_USE;

/* --- view.c ------------------------------------------------------------- */

int view_show(void *ctx, const struct view_node *view, char **ret_path,
	      uint64_t *ret_id) MUST_USE;
int view_show_live(void *ctx, struct observe *o, size_t top, char **ret_path,
		   uint64_t *ret_id) MUST_USE;
void view_hide(void *ctx, uint64_t id);
/* Something of a content, shown to that run or (0) to anybody, could not be
 * read. Computations that were reading it are told. db_lock held or not. */
void damage_met(struct fs *fs, uint64_t run, const struct addr *a);
/* The top of a run's tree, or NULL; what is below a LIVE node, and in a link.
 * -ESTALE: the run is over. */
struct node *view_live(struct fs *fs, uint64_t id);
int live_lookup(struct fs *fs, const struct node *dir, const char *name,
		struct node **ret) MUST_USE;
int live_list(struct fs *fs, const struct node *dir,
	      int (*fn)(void *ctx, const char *name, size_t len, uint32_t mode),
	      void *ctx) MUST_USE;
int live_link(struct fs *fs, const struct node *n, struct buf *ret) MUST_USE;

/* --- control.c ---------------------------------------------------------- */

int control_lookup(struct fs *fs, struct node *dir, const char *name, int pid,
		   struct node **ret) MUST_USE;
int control_list(struct fs *fs, struct node *dir,
		 int (*fn)(void *ctx, const char *name, uint32_t mode),
		 void *ctx) MUST_USE;
int control_open(struct fs *fs, struct node *n, struct handle *h) MUST_USE;
int control_write(struct fs *fs, struct handle *h, const char *p,
		  size_t n) MUST_USE;

/* --- past.c, history.c, by_addr.c: parts of it ---------------------------- */

/* The change that a name of .deriva/at means, and whether it always will; why
 * there is none is logged. -ENOENT. */
int past_find(struct fs *fs, const char *name, uint64_t *ret_seq,
	      bool *ret_fixed) MUST_USE;
int past_lookup(struct fs *fs, const char *name, int pid,
		struct node **ret) MUST_USE;
bool past_is_fixed(struct fs *fs, const char *name);
int past_list(struct fs *fs,
	      int (*fn)(void *ctx, const char *name, uint32_t mode),
	      void *ctx) MUST_USE;
int history_lookup(struct fs *fs, struct node *dir, const char *name, int pid,
		   struct node **ret) MUST_USE;
int history_list(struct fs *fs, const struct node *dir,
		 int (*fn)(void *ctx, const char *name, uint32_t mode),
		 void *ctx) MUST_USE;
int by_addr_lookup(struct fs *fs, const char *name, struct node **ret) MUST_USE;
/* What is read of an object that is no file. */
int by_addr_text(struct fs *fs, const char *name, size_t len,
		 struct buf *ret) MUST_USE;

/* --- recipes.c ---------------------------------------------------------- */

int recipes_lookup(struct fs *fs, const char *name, struct node **ret) MUST_USE;

/* --- follow.c ----------------------------------------------------------- */

/* Waits until what other processes have closed is in the store: alone they may
 * have let that wait (fs/seal.h). */
int follow_await(struct fs *fs) MUST_USE;
/* Between them, what other processes change is noticed. */
int follow_start(struct fs *fs) MUST_USE;
/* Has its thread look soon. */
void follow_wake(struct fs *fs);
void follow_stop(struct fs *fs);
void follow_free(struct fs *fs);

/* --- events.c ----------------------------------------------------------- */

int events_start(struct fs *fs) MUST_USE;
/* Before the session goes; db_lock held. */
void events_free(struct fs *fs);
int events_open(struct fs *fs, struct handle *h) MUST_USE;
void events_close(struct fs *fs, struct handle *h);
ssize_t events_read(struct fs *fs, struct handle *h, char *p, size_t size,
		    uint64_t off) MUST_USE;
/* How much of it somebody has seen; sees for a moment whether there is more,
 * and tells the kernel. No lock held. */
uint64_t events_size(struct fs *fs);
void events_look(struct fs *fs, fuse_ino_t id);
/* Something was committed, by whatever process; db_lock held. */
void events_wake(struct fs *fs);
void op_poll(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi,
	     struct fuse_pollhandle *ph);

/* --- keep.c ------------------------------------------------------------- */

/* What is read from pins and settings. */
int keep_text(struct fs *fs, enum control c, struct buf *ret) MUST_USE;
/* A line written to drop, pin, unpin, snapshot or settings. */
/* fs/branches.c */
int branch_text(struct fs *fs, struct buf *ret) MUST_USE;
void branch_json(struct fs *fs, struct buf *ret); /* its name */
int branches_text(struct fs *fs, struct buf *ret) MUST_USE;
int branches_told(struct fs *fs, const char *line) MUST_USE;
int keep_told(struct fs *fs, enum control c, const char *line) MUST_USE;
/* What mount options say; before the mount. */
int keep_options(struct fs *fs, struct err *err) MUST_USE;

/* --- commit.c ----------------------------------------------------------- */

int committer_start(struct fs *fs) MUST_USE;
void committer_stop(struct fs *fs);
/* Whether what an operation adds, about that many bytes, will find room when
 * the batch is committed: 0 or -ENOSPC. Removing needs less than adding. */
int fs_room(struct fs *fs, uint64_t bytes) MUST_USE;
int fs_room_to_remove(struct fs *fs) MUST_USE;
/* The same for bytes that go to the disk now, by several threads at once; they
 * are given back when they are there (and count as used). */
int fs_room_take(struct fs *fs, uint64_t bytes) MUST_USE;
void fs_room_give(struct fs *fs, uint64_t bytes);
/* A thread of its own works for the session; the end waits for it. */
void helper_begin(struct fs *fs);
void helper_done(struct fs *fs);
/* Ends the batch now; db_lock not held. */
int fs_commit(struct fs *fs) MUST_USE;
/* And makes everything durable; what could not be kept is told. */
int fs_sync(struct fs *fs) MUST_USE;
/* Rows may have been written: db_lock is let go of, and the batch ends soon. */
void fs_unlock(struct fs *fs);
void fs_wrote(void *fs);

/* --- saver.c ------------------------------------------------------------- */

/* Before there are threads, and a connection to the kernel. */
int saver_open(struct fs *fs) MUST_USE;
int saver_start(struct fs *fs) MUST_USE;
void saver_stop(struct fs *fs);
/* When the connection is closed. */
void saver_close(struct fs *fs);
/* db_lock held: from the first handle for writing to the end of the last. */
void saver_add(struct fs *fs, struct node *n);
void saver_drop(struct node *n);

/* --- keeper.c ----------------------------------------------------------- */

/* A thread that does what collection asks for. */
int keeper_start(struct fs *fs) MUST_USE;
void keeper_stop(struct fs *fs);

/* --- ops.c, io.c, range.c, dir.c, xattr.c ------------------------------- */

/* Makes an inode with a name, for the caller of a request; db_lock held. */
int make_node(fuse_req_t req, fuse_ino_t parent, const char *name,
	      uint32_t mode, uint64_t rdev, const char *target,
	      struct node **ret) MUST_USE;

/* Opens a DIR, with what it holds or (NULL) empty; db_lock held. */
void reply_tree_open(fuse_req_t req, struct node *n, const struct tree_at *at,
		     struct fuse_file_info *fi);
/* A name came, went, or is another inode now: the evaluation is told, and what
 * is known of the directory. db_lock held. */
void name_changed(struct fs *fs, uint64_t dir, const char *name, size_t len);
/* The kernel has to list that directory anew, whatever it is just being
 * answered; its id for lists_forget(), or 0. db_lock held. */
fuse_ino_t list_changed(struct fs *fs, struct node *n);
/* Tells it so; without any lock. */
void list_forget(struct fs *fs, fuse_ino_t id);
/* Something changed: the same for all directories of fs->mixed. */
void lists_mixed(struct fs *fs);
/* The same for all that there are. */
void lists_lost(struct fs *fs);
void op_opendir(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi);
void op_readdir(fuse_req_t req, fuse_ino_t id, size_t size, off_t off,
		struct fuse_file_info *fi);
void op_readdirplus(fuse_req_t req, fuse_ino_t id, size_t size, off_t off,
		    struct fuse_file_info *fi);
void op_releasedir(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi);
void op_getxattr(fuse_req_t req, fuse_ino_t id, const char *name, size_t size);
void op_listxattr(fuse_req_t req, fuse_ino_t id, size_t size);
void op_setxattr(fuse_req_t req, fuse_ino_t id, const char *name,
		 const char *value, size_t size, int flags);
void op_removexattr(fuse_req_t req, fuse_ino_t id, const char *name);
static inline struct handle *handle_of(const struct fuse_file_info *fi)
{
	return (struct handle *)(uintptr_t)fi->fh;
}

void op_open(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi);
void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
	       struct fuse_file_info *fi);
void op_read(fuse_req_t req, fuse_ino_t id, size_t size, off_t off,
	     struct fuse_file_info *fi);
void op_write(fuse_req_t req, fuse_ino_t id, const char *p, size_t size,
	      off_t off, struct fuse_file_info *fi);
void op_flush(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi);
void op_release(fuse_req_t req, fuse_ino_t id, struct fuse_file_info *fi);
void op_fsync(fuse_req_t req, fuse_ino_t id, int datasync,
	      struct fuse_file_info *fi);
/* As lseek(2) with SEEK_DATA and SEEK_HOLE, in one of the two, by pages: where
 * a hole ends to the byte changes when a draft is taken in, and who asked for
 * the data before is told of none behind it. -ENXIO. */
int seek_pages(struct draft *d, struct blob *b, uint64_t off, bool hole,
	       uint64_t *ret) MUST_USE;
void op_lseek(fuse_req_t req, fuse_ino_t id, off_t off, int whence,
	      struct fuse_file_info *fi);
void op_copy_file_range(fuse_req_t req, fuse_ino_t in, off_t off_in,
			struct fuse_file_info *fi_in, fuse_ino_t out,
			off_t off_out, struct fuse_file_info *fi_out,
			size_t len, int flags);
void op_fallocate(fuse_req_t req, fuse_ino_t id, int mode, off_t off, off_t len,
		  struct fuse_file_info *fi);
extern const struct fuse_lowlevel_ops fs_ops;

/* Answers OPEN of what never changes. */
/* -ESTALE: a derived one that was dropped; by its name it is made again. */
int open_content(struct fs *fs, struct node *n, const struct addr *a,
		 struct fuse_file_info *fi) MUST_USE;
/* Whether it is not there, or will not be there for long. */
bool content_lost(struct fs *fs, const struct addr *a);
/* With or without db_lock. Takes back what nobody will release. */
void reply_open(fuse_req_t req, struct fuse_file_info *fi);
/* The same without db_lock; what is small is given along. */
void reply_opened(fuse_req_t req, struct fuse_file_info *fi);
/* 0 or -errno; damage, of whatever kind, is EIO to whoever asks. */
void reply_err(fuse_req_t req, int rc);

#endif
