#include "cli/prover.h"

#include "cli/output.h"
#include "cli/where.h"

static int open_all(struct prover *p, struct err *err)
{
	int rc = store_open(p->store, 0, &p->s, err);

	if (rc >= 0)
		rc = peek_open(p->store, &p->peek, err);
	return rc < 0 ? rc : head_make(p->s, p->peek, &p->head, &p->log, err);
}

int prover_open(const struct cli *cli, const char *path, struct prover *ret)
{
	CLEANUP_FREE char *root = NULL;
	CLEANUP_BUF struct buf branch = BUF_INIT;
	struct prover p = {0};
	struct err err = {{0}};
	int rc;

	rc = where_mount(cli, path ? path : ".", &root, &p.store);
	if (rc < 0)
		return rc;
	rc = where_branch(cli, root, &branch);
	if (rc >= 0)
		rc = open_all(&p, &err);
	if (rc >= 0)
		rc = peek_set_branch(p.peek, buf_cstr(&branch), &err);
	if (rc < 0) {
		complain("%s", err.msg);
		prover_done(&p);
		return rc;
	}
	*ret = p;
	return 0;
}

void prover_done(struct prover *p)
{
	mlog_close(p->log);
	peek_close(p->peek);
	if (p->s && store_close(p->s) < 0)
		complain("%s: could not be closed well", p->store);
	free(p->store);
	*p = (struct prover){0};
}
