#include "core/merge_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int start(struct merge *m)
{
	struct map **maps[] = {&m->by_key,  &m->inodes,	 &m->claims,
			       &m->claimed, &m->ours,	 &m->taken,
			       &m->made,    &m->placed,	 &m->filled,
			       &m->parents, &m->settled, &m->tried};
	size_t i;

	for (i = 0; i < ARRAY_LEN(maps); i++) {
		*maps[i] = map_new();
		if (!*maps[i])
			return -ENOMEM;
	}
	return 0;
}

static void done(struct merge *m)
{
	struct merge_key *k;

	while (m->n_keys) {
		k = m->keys[--m->n_keys];
		free(k->name);
		free(k);
	}
	free(m->keys);
	map_free(m->by_key);
	map_free(m->inodes);
	map_free(m->claims);
	map_free(m->claimed);
	map_free(m->ours);
	map_free(m->taken);
	map_free(m->made);
	map_free(m->placed);
	map_free(m->filled);
	map_free(m->parents);
	map_free(m->settled);
	map_free(m->tried);
}

/* By ours where the directory is there, else by theirs, else by base. */
static int path_of(struct merge *m, const struct merge_key *k, const char *name,
		   size_t len, char **ret)
{
	const struct merge_job *j = m->job;
	CLEANUP_BUF struct buf b = BUF_INIT;
	uint64_t dir;
	struct ns_attr a;
	int rc = merge_ours(m, k->dir, &dir);

	if (rc == 0 && dir)
		rc = side_path(&j->ours, dir, name, len, &b);
	else if (rc == 0 &&
		 side_attr(&j->theirs, merge_theirs(m, k->dir), &a) > 0)
		rc = side_path(&j->theirs, merge_theirs(m, k->dir), name, len,
			       &b);
	else if (rc == 0)
		rc = side_path(&j->base, k->dir, name, len, &b);
	if (rc < 0)
		return rc;
	*ret = strdup(buf_cstr(&b));
	return *ret ? 0 : -ENOMEM;
}

int merge_note(struct merge *m, enum merge_what what, const char *why,
	       const struct merge_key *k, const char *beside)
{
	struct merge_notes *n = &m->notes;
	struct merge_note note = {.what = what, .why = why}, *more;
	int rc;

	if (!(n->n & (n->n - 1))) {
		more = reallocarray(n->list, n->n ? n->n * 2 : 1,
				    sizeof(*more));
		if (!more)
			return -ENOMEM;
		n->list = more;
	}
	rc = path_of(m, k, k->name, k->len, &note.path);
	if (rc == 0 && beside)
		rc = path_of(m, k, beside, strlen(beside), &note.beside);
	if (rc < 0) {
		free(note.path);
		return rc;
	}
	n->list[n->n++] = note;
	n->conflicts += what == MERGE_CONFLICT;
	return 0;
}

static int by_path(const void *a, const void *b)
{
	const struct merge_note *x = a, *y = b;

	return strcmp(x->path, y->path);
}

int merge_decide(const struct merge_job *job, struct ns_edits *edits,
		 struct merge_notes *ret)
{
	struct merge m = {.job = job, .edits = edits};
	int rc = start(&m);

	if (rc == 0)
		rc = merge_gather(&m);
	if (rc == 0)
		rc = merge_place_names(&m);
	if (rc == 0)
		rc = merge_remove_names(&m);
	if (rc == 0)
		rc = merge_files(&m);
	done(&m);
	if (rc < 0) {
		merge_notes_done(&m.notes);
		return rc;
	}
	if (m.notes.n)
		qsort(m.notes.list, m.notes.n, sizeof(*m.notes.list), by_path);
	*ret = m.notes;
	return 0;
}

void merge_notes_done(struct merge_notes *n)
{
	size_t i;

	for (i = 0; i < n->n; i++) {
		free(n->list[i].path);
		free(n->list[i].beside);
	}
	free(n->list);
	*n = (struct merge_notes){0};
}
