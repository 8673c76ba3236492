/* Needs: who waits for whom.
 *
 * The graph of needs holds only what waits just now. It has no circles: who
 * would close one is told so instead of waiting (wait_for_inputs()). Chains in
 * it may be ten thousand deep, so nothing here recurses along them.
 */
#include "recipes/schedule.h"

#include <errno.h>

#include "recipes/task.h"

bool wanted(const struct target *t)
{
	return t->waits || t->needed_by;
}

bool in_earnest(const struct target *t)
{
	const struct eval_wait *w;
	const struct need *n;

	for (w = t->waits; w; w = w->next)
		if (!w->dry)
			return true;
	for (n = t->needed_by; n; n = n->next_of_to)
		if (!n->dry)
			return true;
	return false;
}

int need_add(struct target *from, struct target *to, bool same)
{
	struct need *n = calloc(1, sizeof(*n));

	if (!n)
		return -ENOMEM;
	n->from = from;
	n->to = to;
	n->dry = !in_earnest(from);
	n->same = same;
	n->next_of_from = from->needs;
	if (from->needs)
		from->needs->prev_of_from = n;
	from->needs = n;
	n->next_of_to = to->needed_by;
	if (to->needed_by)
		to->needed_by->prev_of_to = n;
	to->needed_by = n;
	from->pending++;
	return 0;
}

void need_remove(struct need *n)
{
	if (n->prev_of_from)
		n->prev_of_from->next_of_from = n->next_of_from;
	else
		n->from->needs = n->next_of_from;
	if (n->next_of_from)
		n->next_of_from->prev_of_from = n->prev_of_from;
	if (n->prev_of_to)
		n->prev_of_to->next_of_to = n->next_of_to;
	else
		n->to->needed_by = n->next_of_to;
	if (n->next_of_to)
		n->next_of_to->prev_of_to = n->prev_of_to;
	n->from->pending--;
	free(n);
}

/* Depth first, with the way back in the targets themselves. */
bool waits_for(struct target *from, struct target *what, uint64_t mark)
{
	struct target *t = from, *to;

	if (from == what) {
		what->via = NULL;
		return true;
	}
	if (!what->needed_by || from->seen == mark)
		return false;
	from->seen = mark;
	from->via = NULL;
	from->cursor = from->needs;
	while (t) {
		if (!t->cursor) {
			t = t->via;
			continue;
		}
		to = t->cursor->to;
		t->cursor = t->cursor->next_of_from;
		if (to == what) {
			what->via = t;
			return true;
		}
		if (to->seen == mark)
			continue;
		to->seen = mark;
		to->via = t;
		to->cursor = to->needs;
		t = to;
	}
	return false;
}

static void leave_queue(struct eval *ev, struct target *t)
{
	queue_remove(&ev->queued, t);
	ev->nqueued--;
	map_del(ev->running, &t->task->flight, ADDR_LEN);
	task_free(t->task);
	t->task = NULL;
	target_phase(ev, t, PHASE_IDLE);
}

/* Whether the value that is being computed will do for anybody: something that
 * it depends on may have changed since, and all who are left may have asked
 * after that. */
static bool serves(const struct target *t)
{
	const struct eval_wait *w;
	const struct need *n;

	if (!t->changed)
		return wanted(t);
	for (w = t->waits; w; w = w->next)
		if (w->gen <= t->gen)
			return true;
	for (n = t->needed_by; n; n = n->next_of_to)
		if (n->same || n->from->gen <= t->gen)
			return true;
	return false;
}

void stop_outdated(struct eval *ev, struct target *t)
{
	if (t->phase == PHASE_RUNNING && !serves(t))
		execute_stop(ev, t->task);
}

/* What was waited for loses one who did. A target in a queue has its links in
 * use and no needs: it is dealt with at once; one that waits goes on the list.
 */
static void let_go(struct eval *ev, struct target *to, struct queue *list)
{
	if (wanted(to)) {
		stop_outdated(ev, to);
		return;
	}
	switch (to->phase) {
	case PHASE_READY:
		queue_remove(&ev->ready, to);
		target_phase(ev, to, PHASE_IDLE);
		break;
	case PHASE_QUEUED:
		leave_queue(ev, to);
		break;
	case PHASE_RUNNING:
		execute_stop(ev, to->task); /* it ends by itself */
		break;
	case PHASE_WAITING:
		target_phase(ev, to, PHASE_IDLE);
		queue_push(list, to);
		break;
	default:
		break; /* resolving: noticed at its end */
	}
}

static void let_go_needs(struct eval *ev, struct target *t, struct queue *list)
{
	struct target *to;

	while (t->needs) {
		to = t->needs->to;
		need_remove(t->needs);
		let_go(ev, to, list);
	}
}

void needs_drop(struct eval *ev, struct target *t)
{
	struct queue list = {NULL, NULL};

	let_go_needs(ev, t, &list);
	while ((t = list.first)) {
		queue_remove(&list, t);
		let_go_needs(ev, t, &list);
	}
}

void abandon(struct eval *ev, struct target *t)
{
	struct queue list = {NULL, NULL};

	let_go(ev, t, &list);
	while ((t = list.first)) {
		queue_remove(&list, t);
		let_go_needs(ev, t, &list);
	}
}
