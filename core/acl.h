/* core/acl.h - access control lists as Linux knows them (acl(5), POSIX.1e draft
 * 17), in the form that they have as extended attributes
 * (linux/posix_acl_xattr.h): version 2, entries of tag, rights and id, all
 * little-endian, in the order owner, users, group, groups, mask, others.
 *
 * Values only: the rows are ns_xattr_get()'s of these names.
 *
 * Threads: any; nothing is shared.
 * Errors:  -EINVAL what is no such list, -ENOMEM.
 */
#ifndef CORE_ACL_H
#define CORE_ACL_H

#include "core/buf.h"

#include <stdbool.h>
#include <sys/types.h>

#define ACL_ACCESS  "system.posix_acl_access"
#define ACL_DEFAULT "system.posix_acl_default"

#define ACL_ENTRIES_MAX 4096

struct acl_entry {
	uint16_t tag, perm;
	uint32_t id;
};

struct acl {
	size_t count;
	struct acl_entry e[];
};

/* Whether an attribute of that name is one. */
bool acl_is_name(const char *name);

/* To be freed with free(). */
int acl_parse(const void *p, size_t n, struct acl **ret) MUST_USE;
struct acl *acl_copy(const struct acl *a); /* NULL: no memory */
void acl_write(const struct acl *a, struct buf *ret);

/* The mode's nine bits as the list has them: where there is a mask it is the
 * group's. Whether they say all that the list says. */
bool acl_to_mode(const struct acl *a, uint32_t *mode);
/* chmod(2): the list as the mode has it. */
void acl_chmod(struct acl *a, uint32_t mode);
/* What a new file gets of its directory's default: takes from the list what
 * mode does not grant, and from mode what the list does not. */
void acl_inherit(struct acl *a, uint32_t *mode);
/* Whether it grants a user who is not the owner what (R_OK, W_OK, X_OK): owner
 * entries are the mode's business. in_group tells of the owning group (group)
 * and of those that the list names. */
bool acl_grants(const struct acl *a, uid_t uid, gid_t group,
		bool (*in_group)(void *ctx, gid_t gid), void *ctx,
		unsigned what);

#endif
