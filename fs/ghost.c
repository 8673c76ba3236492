/* Ghosts: derived names that went a moment ago with what defined them.
 *
 * `rm -r` and rmtree list a directory first and remove what they saw. Removing
 * a recipe, or what a pattern takes its stems from, takes derived names along
 * that are still to come in that list. So a thread that listed a directory and
 * removed something since may find such a name again, as something that can be
 * unlinked and nothing else. Which names there were is no secret: the past
 * knows, at the change of the listing.
 */
#include "fs/fs.h"

#include <string.h>

#include "core/clock.h"

#define GHOST_NS   (60 * NSEC_PER_SEC)
#define LISTED_MAX 65536
#define SHOWN_TIMES \
	4 /* looked at, opened, looked at, looked up to be removed */

/* Who listed a directory last. */
struct ghost_dir {
	int pid;
	bool removed; /* something, anywhere, since */
	int64_t until_ns;
	uint64_t seq;
	struct map *shown; /* name -> how often, as a pointer's value */
};

static void dir_free(struct ghost_dir *d)
{
	map_free(d->shown);
	free(d);
}

static void forget_old(struct fs *fs, int64_t now)
{
	struct map *kept = map_new();
	struct ghost_dir *d;
	const void *key;
	size_t it = 0, len;
	void *v;

	if (!kept)
		return;
	while (map_next(fs->ghosts, &it, &key, &len, &v)) {
		d = v;
		if (d->until_ns < now || map_put(kept, key, len, d, NULL) < 0)
			dir_free(d);
	}
	map_free(fs->ghosts);
	fs->ghosts = kept;
}

void ghosts_listed(struct fs *fs, uint64_t dir, int pid)
{
	int64_t now = clock_mono_ns();
	struct ghost_dir *d = map_get_u64(fs->ghosts, dir);

	if (!d) {
		if (map_count(fs->ghosts) % LISTED_MAX == LISTED_MAX - 1)
			forget_old(fs, now);
		d = calloc(1, sizeof(*d));
		if (!d || map_put_u64(fs->ghosts, dir, d) < 0) {
			free(d);
			return;
		}
	}
	map_free(d->shown);
	*d = (struct ghost_dir){.pid = pid,
				.until_ns = now + GHOST_NS,
				.seq = ns_last_change(fs->ns)};
	fs->ghost_pid = 0;
}

/* Threads that remove take turns seldom: one look at all for each turn. */
void ghosts_removed(struct fs *fs, int pid)
{
	struct ghost_dir *d;
	size_t it = 0;
	void *v;

	if (fs->ghost_pid == pid)
		return;
	fs->ghost_pid = pid;
	while (map_next(fs->ghosts, &it, NULL, NULL, &v)) {
		d = v;
		d->removed = d->removed || d->pid == pid;
	}
}

static struct ghost_dir *find(struct fs *fs, uint64_t dir, const char *name,
			      size_t len, int pid)
{
	struct ghost_dir *d = map_get_u64(fs->ghosts, dir);
	struct ns_attr recipe;

	return d && d->pid == pid && d->removed &&
			       d->until_ns >= clock_mono_ns() &&
			       eval_defined(fs->eval, d->seq, dir, name, len,
					    &recipe) >= 0
		       ? d
		       : NULL;
}

bool ghost_show(struct fs *fs, uint64_t dir, const char *name, size_t len,
		int pid)
{
	struct ghost_dir *d = find(fs, dir, name, len, pid);
	uintptr_t times;

	if (!d)
		return false;
	if (!d->shown)
		d->shown = map_new();
	times = d->shown ? (uintptr_t)map_get(d->shown, name, len)
			 : SHOWN_TIMES;
	return times < SHOWN_TIMES &&
	       map_put(d->shown, name, len, (void *)(times + 1), NULL) >= 0;
}

/* Of one that is shown. */
bool ghost_is_dir(struct fs *fs, uint64_t dir, const char *name, size_t len)
{
	struct ghost_dir *d = map_get_u64(fs->ghosts, dir);
	struct ns_attr recipe;

	return d &&
	       eval_defined(fs->eval, d->seq, dir, name, len, &recipe) >= 0 &&
	       eval_makes_dir(fs->eval, &recipe);
}

bool ghost_take(struct fs *fs, uint64_t dir, const char *name, size_t len,
		int pid)
{
	return find(fs, dir, name, len, pid);
}

void ghosts_free(struct fs *fs)
{
	size_t it = 0;
	void *v;

	while (fs->ghosts && map_next(fs->ghosts, &it, NULL, NULL, &v))
		dir_free(v);
	map_free(fs->ghosts);
}
