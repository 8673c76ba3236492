/* recipes/place.h - what the recipes of a directory define, remembered.
 *
 * A place is a directory of the present that somebody wanted computed as a
 * whole: its derived names, the recipes in it that are blocked, and the places
 * of its directories. The list is good until something happens that would
 * change it, which is watched like anything else (recipes/target.h). Of the
 * names, those that are not known to hold are *open*: news opens a name, and
 * whoever finds that it holds closes it. A place without open names, all of
 * whose places below are the same, is *clean*: nothing below it has to be
 * looked at to know that there is nothing to do.
 *
 * Bytes that were let go of make no news; who let go of some here says so with
 * places_bytes_gone(), and when another process wrote anything, the rows of all
 * names are asked again.
 *
 * Private to evaluation; all under db_lock().
 */
#ifndef RECIPES_PLACE_H
#define RECIPES_PLACE_H

#include "recipes/target.h"

struct place {
	uint64_t dir;
	struct place *up;    /* whose list it is in */
	struct target *self; /* watches what the list depends on */
	bool listed;	     /* the list is good */
	bool clean;
	uint64_t looked;       /* for bytes that are gone: places.bytes */
	uint64_t total;	       /* names here and below, when it is clean */
	struct target **names; /* by bytes */
	size_t nnames;
	struct target **open;
	size_t nopen;
	struct place **below; /* by name */
	size_t nbelow;
	struct buf blocked; /* recipe files, each ended by a NUL */
};

int places_new(struct places **ret) MUST_USE;
void places_free(struct places *p);

/* The place of a directory, whether or not it was asked about before. */
struct place *place_get(struct eval *ev, uint64_t dir);
/* Makes its list good, and opens what has lost its bytes. */
int place_look(struct eval *ev, struct place *p) MUST_USE;
/* Looks whether it is clean; those below it have been asked before. */
void place_sum(struct eval *ev, struct place *p);
/* Whether nothing has to be done below it, as far as can be told at once. */
bool place_is_clean(struct eval *ev, const struct place *p);

/* Whether what the name holds is there, bytes and all. */
bool place_holds(const struct target *t);
/* A name that holds needs no look any more. */
void place_close(struct target *t);
/* Something happened to the target: to a name of a place, or to the list that
 * it watches for. */
void place_news(struct target *t);

void places_bytes_gone(struct eval *ev);
/* Another process may have taken bytes away since this was last called. */
void places_ask(struct eval *ev);

#endif
