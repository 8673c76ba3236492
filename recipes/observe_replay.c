/* Finding the result of a recipe whose inputs are observed: constructive
 * traces, in the terms of "Build systems a la carte".
 *
 * What a command asks next follows from what it was answered, so in each state
 * there is one question, and the walk is straight. Commands that do several
 * things at a time ask in one order or another: then a state has several
 * questions, and the walk goes back where one leads nowhere.
 */
#include "recipes/observe.h"

#include <errno.h>
#include <string.h>

#include "recipes/walk.h"

#define DEAD_ENDS_MAX 64 /* before it is run instead */

/* Where the walk has been: states, and the question asked there last. */
struct step {
	struct addr state;
	struct buf asked;
};

struct search {
	struct walk *w;
	struct observe *now;
	struct step *v;
	size_t count, cap;
	unsigned dead_ends;
};

static void search_done(struct search *s)
{
	while (s->count)
		buf_done(&s->v[--s->count].asked);
	free(s->v);
}

static int push(struct search *s, const struct addr *state)
{
	struct step *p;
	size_t cap = s->cap ? s->cap * 2 : 64;

	if (s->count == s->cap) {
		p = realloc(s->v, cap * sizeof(*p));
		if (!p)
			return -ENOMEM;
		s->v = p;
		s->cap = cap;
	}
	s->v[s->count++] = (struct step){*state, BUF_INIT};
	return 0;
}

/* 1: a result; 0: go on; -ENOENT: there is none. */
static int arrive(struct search *s, const struct addr *state)
{
	struct task *j = s->w->task;
	struct result res;
	int r;

	task_set_base(j, state);
	r = results_get(s->w->ev->results, &j->recipe, &res);

	if (r != -ENOENT)
		return r < 0 ? r : 1;
	return push(s, state);
}

/* The next question in the last state: 1 and a result is found, 0 go on,
 * -ENOENT there is none, -EAGAIN something has to come first. */
static int advance(struct search *s, struct addr *ret)
{
	struct step *at = &s->v[s->count - 1];
	struct eval *ev = s->w->ev;
	struct answer a;
	struct addr next;
	int r = observed_question(ev->observed, &at->state, at->asked.data,
				  at->asked.len, &at->asked);

	if (r < 0)
		return r;
	if (!r) {
		buf_done(&at->asked);
		s->count--;
		return !s->count || ++s->dead_ends > DEAD_ENDS_MAX ? -ENOENT
								   : 0;
	}
	r = observe_ask(s->now, at->asked.data, at->asked.len, &a);
	if (r == 1)
		return -EAGAIN;
	if (r)
		return r == -ENOENT ? 0 : r;
	observed_step(&at->state, at->asked.data, at->asked.len, a.bytes, a.len,
		      &next);
	r = observed_known(ev->observed, &next);
	if (r <= 0)
		return r;
	*ret = next;
	return arrive(s, &next);
}

static int search(struct walk *w, struct observe *now, struct addr *ret)
{
	CLEANUP(search_done) struct search s = {.w = w, .now = now};
	int r;

	*ret = w->task->key;
	r = arrive(&s, ret);
	while (!r)
		r = advance(&s, ret);
	return r < 0 ? r : 0;
}

int observe_resolve(struct walk *w)
{
	CLEANUP(observe_freep) struct observe *now = NULL;
	struct task *j = w->task, *ran = w->t->ran;
	struct addr found;
	int r = observe_walk(w, &now);

	if (r < 0)
		return r;
	j->depth = observe_depth(now);
	j->owner = *w->owner;
	r = walk_encode(w);
	if (r < 0)
		return r;
	addr_of_flight(j, w->t);
	if (ran && addr_eq(&ran->key, &j->key)) {
		r = observe_again(now, ran->observe);
		if (r < 0 || w->res->nneeds)
			return MIN(r, 0);
		if (r) {
			task_set_base(j, &ran->base);
			j->found = true;
			return 0;
		}
	}
	r = search(w, now, &found);
	task_set_base(j, r ? &j->key : &found);
	return r == -ENOENT || r == -EAGAIN ? 0 : r;
}
