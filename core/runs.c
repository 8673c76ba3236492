#include "core/runs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/branch.h"
#include "core/ns_internal.h"

#define PREFIX "run@"

int run_name(char **ret)
{
	CLEANUP_FREE char *owner = NULL;
	char *p;
	int rc = ns_owner_self(&owner);

	if (rc < 0)
		return rc;
	for (p = owner; *p; p++)
		if (*p == ' ')
			*p = '+';
	return asprintf(ret, PREFIX "%s", owner) < 0 ? -ENOMEM : 0;
}

static int note_dead(void *ctx, const struct branch *b)
{
	struct buf *names = ctx;
	CLEANUP_FREE char *owner = NULL;
	char *p;

	if (strncmp(b->name, PREFIX, strlen(PREFIX)) != 0)
		return 0;
	owner = strdup(b->name + strlen(PREFIX));
	if (!owner)
		return -ENOMEM;
	for (p = owner; *p; p++)
		if (*p == '+')
			*p = ' ';
	if (!ns_owner_alive(owner))
		buf_add(names, b->name, strlen(b->name) + 1);
	return buf_err(names);
}

int runs_sweep(struct ns *ns, const struct ns_by *by)
{
	CLEANUP_BUF struct buf names = BUF_INIT;
	const char *name, *end;
	int rc = branches_each(ns_db(ns), note_dead, &names);

	name = (const char *)names.data;
	for (end = name + names.len; rc == 0 && name < end;
	     name += strlen(name) + 1)
		rc = branch_remove(ns, by, name);
	return rc == -EROFS ? 0 : rc;
}
