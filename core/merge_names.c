#include "core/merge_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* Names that came are placed first, whatever stands there now and goes away;
 * then those go that theirs has not any more, the deepest first, so that a
 * directory is seen to be empty. What does not find its place lies beside it:
 * nothing loses its last name because two sides disagree. */

static char yes;

int merge_effective(struct merge *m, uint64_t dir, const char *name, size_t len,
		    uint64_t *ret)
{
	if (ns_edits_find(m->edits, dir, name, len, ret))
		return 0;
	return side_look(&m->job->ours, dir, name, len, ret);
}

static int set_name(struct merge *m, uint64_t dir, const char *name, size_t len,
		    uint64_t ino)
{
	int rc = ns_edits_name(m->edits, dir, name, len, ino);

	return rc < 0 || !ino ? rc : map_put_u64(m->filled, dir, &yes);
}

static int first_name(void *ctx, uint64_t dir, const char *name, size_t len)
{
	struct merge_key *k = ctx;

	k->dir = dir;
	k->name = strndup(name, len);
	k->len = len;
	return k->name ? 1 : -ENOMEM;
}

/* One of the names in theirs; its name is to be freed. 1, or 0. */
int merge_name_of(struct merge *m, uint64_t theirs, struct merge_key *ret)
{
	const struct merge_side *t = &m->job->theirs;
	int rc;

	*ret = (struct merge_key){.theirs = theirs};
	rc = ns_names(t->ns, t->at, theirs, first_name, ret);
	if (rc > 0)
		ret->dir = merge_entity(m, ret->dir);
	return rc;
}

/* --- beside -------------------------------------------------------------- */

/* NAME.LABEL, cut to what a name may be long; with a number where that is
 * taken. */
static int free_name(struct merge *m, uint64_t dir, const struct merge_key *k,
		     char *to)
{
	char tail[NS_NAME_MAX + 1];
	unsigned n = 1;
	uint64_t ino;
	size_t len;
	int rc;

	do {
		if (n == 1)
			snprintf(tail, sizeof(tail), ".%s", m->job->label);
		else
			snprintf(tail, sizeof(tail), ".%s.%u", m->job->label,
				 n);
		len = MIN(k->len, NS_NAME_MAX - strlen(tail));
		while (len && len < k->len && (k->name[len] & 0xc0) == 0x80)
			len--;
		memcpy(to, k->name, len);
		strcpy(to + len, tail);
		rc = merge_effective(m, dir, to, strlen(to), &ino);
		if (rc == 0 && !ino) /* it may come still */
			rc = side_look(&m->job->theirs, merge_theirs(m, k->dir),
				       to, strlen(to), &ino);
		n++;
	} while (rc == 0 && ino);
	return rc;
}

int merge_beside(struct merge *m, const struct merge_key *k, uint64_t ino,
		 const char *why)
{
	char name[NS_NAME_MAX + 1];
	uint64_t dir;
	int rc = merge_dir(m, k->dir, &dir);

	if (rc == 0)
		rc = free_name(m, dir, k, name);
	if (rc == 0)
		rc = set_name(m, dir, name, strlen(name), ino);
	return rc < 0 ? rc : merge_note(m, MERGE_CONFLICT, why, k, name);
}

/* --- what comes ---------------------------------------------------------- */

static int copy_xattrs(struct merge *m, uint64_t theirs, uint64_t to)
{
	const struct merge_side *t = &m->job->theirs;
	CLEANUP_BUF struct buf names = BUF_INIT;
	const char *name, *end;
	int rc = ns_xattr_list_at(t->ns, t->at, theirs, &names);

	name = (const char *)names.data;
	for (end = name + names.len; rc == 0 && name < end;
	     name += strlen(name) + 1) {
		CLEANUP_BUF struct buf v = BUF_INIT;

		rc = ns_xattr_get_at(t->ns, t->at, theirs, name, &v);
		if (rc == 0)
			rc = ns_edits_xattr(m->edits, to, name, buf_cstr(&v),
					    v.len);
	}
	return rc;
}

int merge_copy(struct merge *m, uint64_t theirs, bool beside, uint64_t *ret)
{
	CLEANUP_BUF struct buf target = BUF_INIT;
	uint64_t known = get_number(m->made, theirs);
	struct ns_attr a, now;
	int rc;

	if (known) {
		*ret = known - 1;
		return 0;
	}
	rc = side_attr(&m->job->theirs, theirs, &a);
	if (rc <= 0)
		return rc < 0 ? rc : -EUCLEAN;
	if (S_ISLNK(a.mode)) {
		rc = side_target(&m->job->theirs, theirs, &target);
		if (rc < 0)
			return rc;
	}
	rc = side_attr(&m->job->ours, theirs, &now);
	if (rc < 0)
		return rc;
	/* else the same number is another entity of ours */
	if (rc > 0 || (beside && !S_ISDIR(a.mode)))
		a.ino = ns_edits_number(m->edits);
	*ret = a.ino;
	rc = ns_edits_inode(m->edits, &a,
			    S_ISLNK(a.mode) ? buf_cstr(&target) : NULL);
	if (rc == 0)
		rc = copy_xattrs(m, theirs, a.ino);
	return rc < 0 ? rc : put_number(m->made, theirs, *ret);
}

int merge_dir(struct merge *m, uint64_t entity, uint64_t *ret)
{
	struct merge_key k;
	uint64_t t = merge_theirs(m, entity), above, ino, known;
	int rc = merge_ours(m, entity, ret);

	if (rc < 0 || *ret)
		return rc;
	known = get_number(m->made, t);
	if (known) {
		*ret = known - 1;
		return 0;
	}
	rc = merge_name_of(m, t, &k);
	if (rc <= 0)
		return rc < 0 ? rc : -EUCLEAN;
	rc = merge_dir(m, k.dir, &above);
	if (rc == 0)
		rc = merge_effective(m, above, k.name, k.len, &ino);
	if (rc == 0)
		rc = merge_copy(m, t, false, ret);
	if (rc == 0 && ino)
		rc = merge_beside(m, &k, *ret, "directory and file");
	else if (rc == 0)
		rc = set_name(m, above, k.name, k.len, *ret);
	if (rc == 0)
		rc = put_number(m->parents, *ret, above);
	if (rc == 0)
		rc = map_put_u64(m->placed, entity, &yes);
	free(k.name);
	return rc;
}

/* Whether a directory would lie in itself there: 1 or 0. */
static int would_loop(struct merge *m, uint64_t moved, uint64_t at)
{
	const struct merge_side *o = &m->job->ours;
	uint64_t to;
	int rc = 0;

	while (rc == 0 && at != NS_ROOT && at != moved) {
		to = get_number(m->parents, at);
		if (to)
			at = to - 1;
		else
			rc = ns_parent(o->ns, o->at, at, &at);
	}
	return rc < 0 ? rc : at == moved;
}

/* An entity that ours has gets the name that theirs gave it: 1, or 0 when that
 * cannot be (told). */
static int may_move(struct merge *m, const struct merge_key *k, uint64_t entity,
		    uint64_t ino, uint64_t dir)
{
	struct ns_attr a;
	int rc = side_attr(&m->job->ours, ino, &a), in_theirs, in_ours;

	if (rc <= 0)
		return rc < 0 ? rc : -EUCLEAN;
	in_theirs = merge_stayed(m, entity, false);
	in_ours = in_theirs < 0 ? in_theirs : merge_stayed(m, entity, true);
	if (in_ours < 0)
		return in_ours;
	if (!in_theirs && !in_ours) {
		rc = map_put_u64(m->placed, entity, &yes);
		if (rc < 0 || map_get_u64(m->settled, entity))
			return rc;
		rc = map_put_u64(m->settled, entity, &yes);
		return rc < 0 ? rc
			      : merge_note(m, MERGE_CONFLICT, "renamed by both",
					   k, NULL);
	}
	if (!S_ISDIR(a.mode))
		return 1;
	rc = would_loop(m, ino, dir);
	if (rc > 0 && m->patient) {
		m->waits = true;
		return 0;
	}
	if (rc > 0) {
		rc = merge_note(m, MERGE_CONFLICT,
				"moved into each other by both", k, NULL);
		return rc;
	}
	if (rc == 0)
		rc = put_number(m->parents, ino, dir);
	return rc < 0 ? rc : 1;
}

/* It comes new from theirs. 1: a directory that has its place already, since
 * something in it was needed before. */
static int bring(struct merge *m, const struct merge_key *k, uint64_t entity,
		 uint64_t dir, bool beside, uint64_t *ret)
{
	bool made = get_number(m->made, k->theirs);
	struct ns_attr a;
	int rc = side_attr(&m->job->theirs, k->theirs, &a);

	if (rc <= 0)
		return rc < 0 ? rc : -EUCLEAN;
	if (made && S_ISDIR(a.mode) && map_get_u64(m->placed, entity))
		return 1;
	rc = merge_copy(m, k->theirs, beside, ret);
	if (rc == 0 && S_ISDIR(a.mode))
		rc = put_number(m->parents, *ret, dir);
	return rc;
}

/* The name is free for what theirs has there. */
static int put_theirs(struct merge *m, struct merge_key *k, uint64_t dir)
{
	uint64_t entity = merge_entity(m, k->theirs), ino;
	bool beside = merge_in_base(m, entity) > 0;
	const char *why = "added";
	int rc = merge_ours(m, entity, &ino);

	if (rc == 0 && ino) {
		why = "renamed";
		rc = may_move(m, k, entity, ino, dir);
		k->later = !rc; /* what is there goes where it has to */
		if (rc <= 0)
			return rc;
	} else if (rc == 0) {
		rc = bring(m, k, entity, dir, beside, &ino);
		if (rc > 0)
			return 0;
		if (rc == 0)
			rc = map_put_u64(m->placed, entity, &yes);
		if (rc == 0 && beside) {
			k->later = true;
			return merge_beside(m, k, ino,
					    "renamed by them, removed by us");
		}
	}
	if (rc >= 0)
		rc = set_name(m, dir, k->name, k->len, ino);
	if (rc == 0)
		rc = map_put_u64(m->placed, entity, &yes);
	return rc < 0 ? rc : merge_note(m, MERGE_TAKEN, why, k, NULL);
}

/* What theirs has there lies beside it. */
static int put_aside(struct merge *m, const struct merge_key *k,
		     const char *why)
{
	uint64_t entity = merge_entity(m, k->theirs), ino;
	uint64_t dir;
	int rc = merge_ours(m, entity, &ino);

	if (rc == 0)
		rc = merge_dir(m, k->dir, &dir);
	if (rc == 0)
		rc = ino ? !may_move(m, k, entity, ino, dir)
			 : bring(m, k, entity, dir, true, &ino);
	if (rc == 0)
		rc = map_put_u64(m->placed, entity, &yes);
	return rc < 0 ? rc : rc > 0 ? 0 : merge_beside(m, k, ino, why);
}

/* Ours differs from base in more than times: 1 or 0. */
static int changed_by_us(struct merge *m, uint64_t base, uint64_t ours)
{
	int rc = side_same(&m->job->base, base, &m->job->ours, ours);

	return rc < 0 ? rc : !rc;
}

static int place_over(struct merge *m, struct merge_key *k, uint64_t dir,
		      uint64_t there)
{
	struct ns_attr a;
	int rc = side_attr(&m->job->ours, there, &a);

	if (rc > 0 && S_ISDIR(a.mode) && !merge_in_theirs(m, k->base)) {
		k->later = true; /* when it is empty */
		return 0;
	}
	if (rc > 0 && !merge_in_theirs(m, k->base)) {
		rc = changed_by_us(m, k->base, there);
		if (rc > 0)
			return put_aside(m, k,
					 "replaced by them, changed by us");
	}
	return rc < 0 ? rc : put_theirs(m, k, dir);
}

/* A file that both made alike is one; what ours has elsewhere is another. */
static int both_named(struct merge *m, struct merge_key *k, uint64_t there,
		      uint64_t mine)
{
	uint64_t entity = merge_entity(m, k->theirs);
	struct ns_attr a;
	int rc = side_attr(&m->job->ours, there, &a);

	if (rc > 0)
		rc = mine || S_ISDIR(a.mode) || get_number(m->made, k->theirs)
			     ? 0
			     : side_same(&m->job->ours, there, &m->job->theirs,
					 k->theirs);
	if (rc > 0) {
		rc = put_number(m->ours, entity, there);
		return rc < 0 ? rc : map_put_u64(m->placed, entity, &yes);
	}
	return rc < 0 ? rc : put_aside(m, k, "added by both");
}

/* A file in base, that another file took the place of: 1 or 0. What a directory
 * lost its name to, or took it from, is no other version of it. */
static int both_files(const struct merge_side *s, uint64_t a,
		      const struct merge_side *t, uint64_t b)
{
	struct ns_attr x, y;
	int rc = side_attr(s, a, &x);

	if (rc > 0)
		rc = side_attr(t, b, &y);
	return rc <= 0 ? rc : !S_ISDIR(x.mode) && !S_ISDIR(y.mode);
}

static int place(struct merge *m, struct merge_key *k)
{
	uint64_t entity = merge_entity(m, k->theirs), dir, there, mine = 0,
		 was = 0;
	int rc;

	if (!k->theirs || entity == k->base)
		return 0;
	rc = merge_dir(m, k->dir, &dir);
	if (rc == 0)
		rc = side_look(&m->job->ours, dir, k->name, k->len, &there);
	if (rc == 0)
		rc = merge_ours(m, entity, &mine);
	if (rc == 0 && k->base)
		rc = merge_ours(m, k->base, &was);
	if (rc < 0)
		return rc;
	if (there && there == mine)
		return map_put_u64(m->placed, entity, &yes);
	if (there && there == was)
		return place_over(m, k, dir, there);
	if (there)
		return both_named(m, k, there, mine);
	if (k->base && !was) {
		rc = both_files(&m->job->base, k->base, &m->job->theirs,
				k->theirs);
		if (rc != 0)
			return rc < 0 ? rc
				      : put_aside(m, k,
						  "replaced by them, removed "
						  "by us");
	}
	return put_theirs(m, k, dir);
}

/* Those that wait: 1 when some were placed. */
static int place_waiting(struct merge *m, bool *ret_left)
{
	struct merge_key *k;
	bool left = false;
	size_t i;
	int rc = 0, any = 0;

	for (i = 0; rc == 0 && i < m->n_keys; i++) {
		k = m->keys[i];
		if (!k->waits)
			continue;
		m->waits = false;
		rc = place(m, k);
		k->waits = m->waits;
		left |= m->waits;
		any |= !m->waits;
	}
	*ret_left = left;
	return rc < 0 ? rc : any;
}

/* A directory may have to wait until the one above it has left its place. */
int merge_place_names(struct merge *m)
{
	struct merge_key *k;
	bool left = true;
	size_t i;
	int rc = 0;

	for (i = 0; i < m->n_keys; i++) {
		k = m->keys[i];
		k->waits = true;
	}
	for (m->patient = true; rc >= 0 && left; m->patient = rc > 0)
		rc = place_waiting(m, &left);
	return MIN(rc, 0);
}

/* --- what goes ----------------------------------------------------------- */

static int is_left(void *ctx, const struct ns_entry *e)
{
	const struct merge_key *dir = ctx;
	const struct merge *m = (const void *)dir->name;
	uint64_t ino;

	return !ns_edits_find(m->edits, dir->dir, e->name, e->len, &ino) || ino;
}

/* With the edits so far: 1 or 0. */
static int is_empty(struct merge *m, uint64_t dir)
{
	struct merge_key ctx = {.dir = dir, .name = (void *)m};
	int rc;

	if (map_get_u64(m->filled, dir))
		return 0;
	rc = ns_list(m->job->ours.ns, m->job->ours.at, dir, "", 0, is_left,
		     &ctx);
	return rc < 0 ? rc : !rc;
}

static int keep_ours(struct merge *m, const struct merge_key *k,
		     const char *why)
{
	int rc;

	if (map_get_u64(m->settled, k->base))
		return 0;
	rc = map_put_u64(m->settled, k->base, &yes);
	return rc < 0 ? rc : merge_note(m, MERGE_CONFLICT, why, k, NULL);
}

static int remove_name(struct merge *m, const struct merge_key *k, uint64_t dir,
		       const char *why)
{
	int rc = set_name(m, dir, k->name, k->len, 0);

	return rc < 0 || !why ? rc : merge_note(m, MERGE_TAKEN, why, k, NULL);
}

/* Theirs has it nowhere. */
static int remove_entity(struct merge *m, struct merge_key *k, uint64_t dir,
			 uint64_t there)
{
	struct ns_attr a;
	int rc = side_attr(&m->job->ours, there, &a);

	if (rc <= 0)
		return rc;
	if (!S_ISDIR(a.mode)) {
		rc = changed_by_us(m, k->base, there);
		if (rc > 0)
			return keep_ours(m, k,
					 "removed by them, changed by us");
		return rc < 0 ? rc : remove_name(m, k, dir, "removed");
	}
	rc = is_empty(m, there);
	if (rc > 0)
		rc = remove_name(m, k, dir, k->later ? NULL : "removed");
	else if (rc == 0 && k->later)
		return put_aside(m, k, "directory and file");
	return rc < 0 || !k->later || map_get_u64(m->filled, there)
		       ? rc
		       : put_theirs(m, k, dir);
}

static int take_away(struct merge *m, struct merge_key *k)
{
	uint64_t dir, there, ino, was;
	int rc, alive;

	if (k->theirs && !k->later)
		return 0;
	rc = merge_ours(m, k->dir, &dir);
	if (rc == 0)
		rc = merge_ours(m, k->base, &was);
	if (rc == 0)
		rc = side_look(&m->job->ours, dir, k->name, k->len, &there);
	if (rc < 0)
		return rc;
	alive = merge_in_theirs(m, k->base);
	if (alive < 0)
		return alive;
	if (!there)
		return was && !alive ? keep_ours(m, k,
						 "removed by them, renamed "
						 "by us")
				     : 0;
	if (there != was) {
		rc = alive ? 0
			   : both_files(&m->job->base, k->base, &m->job->ours,
					there);
		return rc <= 0 ? rc
			       : keep_ours(m, k,
					   "removed by them, replaced by us");
	}
	if (ns_edits_find(m->edits, dir, k->name, k->len, &ino) && ino)
		return 0; /* it went to its own place, or went */
	if (!alive)
		return remove_entity(m, k, dir, there);
	rc = merge_stayed(m, k->base, false);
	if (rc == 0 && !map_get_u64(m->placed, k->base))
		return 0; /* there was no place for it */
	return rc < 0 ? rc : remove_name(m, k, dir, rc > 0 ? "removed" : NULL);
}

struct deep {
	struct merge_key *k;
	unsigned depth;
};

static int deepest_first(const void *a, const void *b)
{
	const struct deep *x = a, *y = b;

	return (x->depth < y->depth) - (x->depth > y->depth);
}

static int depth_of(struct merge *m, uint64_t dir, unsigned *ret)
{
	const struct merge_side *b = &m->job->base;
	int rc = 0;

	for (*ret = 0; rc == 0 && dir != NS_ROOT; ++*ret)
		rc = ns_parent(b->ns, b->at, dir, &dir);
	return rc == -ENOENT ? 0 : rc;
}

int merge_remove_names(struct merge *m)
{
	struct deep *all = calloc(m->n_keys + 1, sizeof(*all));
	struct merge_key *k;
	size_t i, n = 0;
	int rc = all ? 0 : -ENOMEM;

	for (i = 0; rc == 0 && i < m->n_keys; i++) {
		k = m->keys[i];
		if (k->theirs && !k->later)
			continue;
		if (!k->base)
			continue;
		all[n].k = k;
		rc = depth_of(m, k->dir, &all[n++].depth);
	}
	if (rc == 0)
		qsort(all, n, sizeof(*all), deepest_first);
	for (i = 0; rc == 0 && i < n; i++)
		rc = take_away(m, all[i].k);
	free(all);
	return rc;
}
