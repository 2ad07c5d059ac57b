package platform

import (
	"fmt"
	"os/exec"
	"strings"
)

// shellFolders is where a shell is looked for, whatever PATH this process was given.
const shellFolders = "/usr/bin:/bin:/usr/local/bin"

// FindShell returns the path of the first of the programs that the usual folders have.
func FindShell(names ...string) (string, error) {
	for _, name := range names {
		for dir := range strings.SplitSeq(shellFolders, ":") {
			if p, err := exec.LookPath(dir + "/" + name); err == nil {
				return p, nil
			}
		}
	}
	return "", fmt.Errorf("find %s: %w", strings.Join(names, ", "), exec.ErrNotFound)
}
