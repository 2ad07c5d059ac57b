package host

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"pss/remote/api"
	"pss/remote/platform"
)

// handlePurge deletes the copies of pss that an ssh left in the owner's cache folder,
// but for those that a session runs. What runs a deleted one goes on with it.
func (h *Host) handlePurge(http.ResponseWriter, *http.Request) (any, error) {
	used := map[string]bool{}
	for _, e := range h.dir.all() {
		info, err := e.facts()
		if held, lerr := platform.LockHeld(e.lock()); err != nil || lerr != nil || !held {
			continue // no process: when it is started again, it is from what runs then
		}
		exe, err := platform.ExecutableOf(info.Pid)
		if err != nil {
			return nil, api.Errorf(api.CodeInternal, "which binary session %s runs is not known: %v", info.Name, err).
				Hint("remove the sessions of this computer first")
		}
		used[exe] = true
	}
	list := &api.CopyList{Version: api.Version, Copies: []api.BinaryCopy{}}
	files, err := filepath.Glob(filepath.Join(copyFolder(), "pss-*"))
	if err != nil {
		return nil, err
	}
	for _, path := range files {
		st, err := os.Lstat(path)
		if err != nil || !st.Mode().IsRegular() || strings.Count(filepath.Base(path), "-") < 3 {
			continue // nothing of ours
		}
		c := api.BinaryCopy{Path: path, Size: st.Size(), Status: api.CopyInUse}
		if !used[path] {
			if c.Status = api.CopyDeleted; os.Remove(path) != nil {
				c.Status, c.Reason = api.CopyFailed, "it cannot be deleted"
			}
		}
		list.Copies = append(list.Copies, c)
	}
	return list, nil
}

// copyFolder is where an ssh puts copies: see the script of remote/sshlink.
func copyFolder() string {
	if dir := os.Getenv("XDG_CACHE_HOME"); dir != "" {
		return filepath.Join(dir, "pss")
	}
	return filepath.Join(os.Getenv("HOME"), ".cache", "pss")
}
