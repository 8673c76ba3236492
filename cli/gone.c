#include "cli/gone.h"

#include <stdio.h>

#include "cli/mountpoint.h"
#include "cli/output.h"

int gone_find(const char *path, char **ret_root, char **ret_rel)
{
	CLEANUP_FREE char *full = NULL, *tail = NULL, *longer = NULL;
	CLEANUP_PLACE struct place p = {0};
	struct err err;
	char *slash;
	int rc;

	rc = path[0] == '/' ? asprintf(&full, "%s", path)
			    : asprintf(&full, "./%s", path);
	tail = strdup("");
	if (rc < 0 || !tail)
		return -ENOMEM;
	while ((rc = place_find(full, false, &p, &err)) == -ENOENT) {
		slash = strrchr(full, '/');
		if (!slash || slash == full || !strcmp(slash, "/..") ||
		    !strcmp(slash, "/."))
			break;
		*slash = '\0';
		longer = path_join(slash + 1, tail);
		if (!longer)
			return -ENOMEM;
		free(tail);
		tail = steal(&longer);
	}
	if (rc < 0) {
		if (rc == -ENOENT)
			complain("%s: %s", path, err_name(rc));
		else
			complain("%s", err.msg);
		return rc;
	}
	*ret_rel = path_join(p.rel, tail);
	*ret_root = steal(&p.root);
	return *ret_rel ? 0 : -ENOMEM;
}
