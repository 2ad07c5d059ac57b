package platform

import (
	"context"
	"errors"
	"os/exec"
)

// CommandAs says that nothing is started as another user here.
func CommandAs(context.Context, uint32, uint32, []uint32, ...string) (*exec.Cmd, error) {
	return nil, errors.New("no process is started as another user on this system")
}
