package host

import (
	"context"
	"os/user"
	"slices"
	"strconv"

	"pss/remote/api"
	"pss/remote/worker"
)

// account finds a user of this computer.
func (h *Host) account(_ context.Context, name string) (*worker.User, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, api.Errorf(api.CodeInvalidArgument, "there is no user %s on this computer", name).On(name)
	}
	uid, _ := strconv.ParseUint(u.Uid, 10, 32)
	gid, _ := strconv.ParseUint(u.Gid, 10, 32)
	w := &worker.User{Name: u.Username, UID: uint32(uid), GID: uint32(gid), Home: u.HomeDir, Shell: loginShell(u.Username)}
	ids, _ := u.GroupIds()
	for _, id := range ids {
		n, _ := strconv.ParseUint(id, 10, 32)
		w.Groups = append(w.Groups, uint32(n))
	}
	return w, nil
}

func groupNames(ids []uint32) (names []string) {
	for _, id := range ids {
		if g, err := user.LookupGroupId(strconv.FormatUint(uint64(id), 10)); err == nil {
			names = append(names, g.Name)
		}
	}
	return names
}

// inGroup reports whether the user is in the group.
func (h *Host) inGroup(name, group string) bool {
	u, err := h.account(context.Background(), name)
	return err == nil && slices.Contains(groupNames(u.Groups), group)
}
